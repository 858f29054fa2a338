//! Every state as a table: what is seen, and what is decided.

use underlay_core::{
    ObjectId, State as _,
    agent::{Report, Stage},
    bmc::Power,
    machine::{Machine, Spec, WaitFor},
    observation::{Body, Source},
};

use crate::testing::{Habit, Rack, image_ref, machine};

/// What is the case when a state looks around.
#[derive(Clone, Copy, Debug)]
enum Case {
    Plain,
    HostOn,
    HostOff,
    NewImage,
    Reports(fn() -> Stage),
    CalledHome,
    AgentHome,
    Written,
    Late {
        seconds: u64,
    },
    /// There was no server for a moment; and then it is late.
    AwayAndLate {
        seconds: u64,
    },
    NewGeneration,
}

/// A machine that has just entered `phase`; nothing acts but what the case says.
async fn at(phase: &str) -> (Rack, ObjectId) {
    let rack = Rack::with_hosts(1).await;
    rack.boxes.with("lab-1", |one| {
        one.habit = if phase == "failed" { Habit::FailsAfter } else { Habit::Good };
    });
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    for _ in 0..200 {
        if rack.machine(id).state.phase() == phase {
            return (rack, id);
        }
        rack.step(id).await;
        // Not before that is waited for: what a box does early is there when the state is entered.
        let now = rack.machine(id).state.phase();
        if now != phase && ["booting", "imaging", "starting"].contains(&now) {
            rack.boxes.act(&rack);
        }
    }
    panic!("never {phase}");
}

fn arrange(rack: &Rack, id: ObjectId, case: Case) {
    let run = rack.machine(id).state.run().cloned();
    let host = rack.machine(id).status.host;
    let see = |source, body| rack.observe(host.expect("a host"), source, body);
    match case {
        Case::Plain => {}
        Case::HostOn => rack.bmc("lab-1").change(|seen| seen.power = Power::On),
        Case::HostOff => rack.bmc("lab-1").change(|seen| seen.power = Power::Off),
        Case::NewImage => {
            rack.put_image('b');
            rack.put::<Machine>("web-1", Spec { image: image_ref("debian", 'b'), ..machine("lab-1") });
        }
        Case::Reports(stage) => {
            let report = Report { epoch: run.expect("a run").epoch, stage: stage() };
            see(Source::Agent, Body::Report(report));
        }
        Case::AgentHome => {
            let inventory = Box::new(crate::testing::inventory(1));
            see(Source::Inventory, Body::Inventory { epoch: run.expect("a run").epoch, inventory });
        }
        Case::CalledHome => {
            let epoch = run.expect("a run").epoch;
            let (ssh_host_keys, address) = (Vec::new(), "10.0.0.7".into());
            see(Source::PhoneHome, Body::PhoneHome { epoch, ssh_host_keys, address });
        }
        Case::Written => {
            rack.put::<Machine>("web-1", Spec { wait_for: WaitFor::Written, ..machine("lab-1") });
        }
        Case::Late { seconds } => rack.store().now += std::time::Duration::from_secs(seconds),
        Case::AwayAndLate { seconds } => {
            let mut store = rack.store();
            store.awake_since = store.now;
            store.now += std::time::Duration::from_secs(seconds);
        }
        Case::NewGeneration => rack.apply_again(id),
    }
}

fn writing() -> Stage {
    Stage::Writing { disk: "vda".into(), done: 1, total: 2 }
}

fn written() -> Stage {
    Stage::Written { disk: "vda".into(), written: 1, elapsed_ms: 1, peak_memory: 1 }
}

#[tokio::test(start_paused = true)]
async fn each_state_decides_by_what_it_sees() {
    use Case::*;
    let table: &[(&str, Case, &str)] = &[
        ("pending", Plain, "powering_off"),
        ("powering_off", HostOff, "powering_on"),
        ("powering_off", HostOn, "powering_off"),
        ("powering_off", NewImage, "pending"),
        ("powering_on", HostOff, "powering_on"),
        ("powering_on", HostOn, "booting"),
        ("booting", Late { seconds: 1199 }, "booting"),
        ("booting", Late { seconds: 1200 }, "failed"),
        ("booting", AwayAndLate { seconds: 1199 }, "booting"),
        // Whoever booted meanwhile may have found nobody.
        ("booting", AwayAndLate { seconds: 1200 }, "pending"),
        ("imaging", AwayAndLate { seconds: 600 }, "failed"),
        ("booting", AgentHome, "imaging"),
        ("booting", NewImage, "pending"),
        ("imaging", Plain, "imaging"),
        ("imaging", NewImage, "imaging"),
        ("imaging", Reports(|| Stage::Checking), "imaging"),
        ("imaging", Reports(writing), "imaging"),
        ("imaging", Reports(written), "starting"),
        ("imaging", Late { seconds: 599 }, "imaging"),
        ("imaging", Late { seconds: 600 }, "failed"),
        ("starting", Plain, "starting"),
        ("starting", CalledHome, "ready"),
        ("starting", Written, "ready"),
        ("starting", Late { seconds: 1799 }, "starting"),
        ("starting", Late { seconds: 1800 }, "failed"),
        ("ready", Plain, "ready"),
        ("ready", HostOff, "ready"),
        ("ready", NewGeneration, "ready"),
        ("ready", NewImage, "pending"),
        ("failed", Plain, "failed"),
        ("failed", Late { seconds: 1_000_000 }, "failed"),
        ("failed", NewGeneration, "pending"),
    ];
    for (phase, case, then) in table {
        let (rack, id) = at(phase).await;
        arrange(&rack, id, *case);
        rack.step(id).await;
        assert_eq!(rack.machine(id).state.phase(), *then, "{phase}: {case:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_patience_is_not_slept_through() {
    for (phase, patience) in [("booting", 1200), ("imaging", 600), ("starting", 1800)] {
        let (rack, id) = at(phase).await;
        rack.step(id).await;
        // Between two looks that are half a minute apart.
        rack.store().now += std::time::Duration::from_secs(patience - 7);
        rack.step(id).await;
        assert_eq!(rack.machine(id).state.phase(), phase);
        let due = rack.due(id).expect("it is looked at again");
        let now = rack.store().now;
        assert!(due.duration_since(now).as_secs() <= 7, "{phase}: {now} {due}");
    }
}
