//! Deletion, wanted in every state: the host is let go only when it was seen off.

use std::time::Duration;

use underlay_core::{
    Kind, ObjectId, State as _,
    bmc::{Power, Target},
    host::Host,
    machine::Machine,
};

use crate::{
    bmc::fake::{Call, Fault, Times},
    testing::{Habit, Rack, machine},
};

/// A machine that has come as far as `phase`.
async fn at(phase: &str) -> (Rack, ObjectId) {
    let rack = Rack::with_hosts(1).await;
    rack.bmc("lab-1").change(|seen| seen.power = Power::On);
    if phase == "failed" {
        rack.boxes.with("lab-1", |one| one.habit = Habit::FailsAfter);
    }
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    for _ in 0..200 {
        if rack.machine(id).state.phase() == phase {
            return (rack, id);
        }
        rack.step(id).await;
        if rack.machine(id).state.phase() != phase {
            rack.boxes.act(&rack);
        }
    }
    panic!("never {phase}: {:?}", rack.machine(id));
}

const PHASES: [&str; 8] =
    ["pending", "powering_off", "powering_on", "booting", "imaging", "starting", "ready", "failed"];

#[tokio::test(start_paused = true)]
async fn a_machine_deleted_in_any_state_lets_its_host_go_and_leaves_nothing() {
    for phase in PHASES {
        let (rack, id) = at(phase).await;
        rack.delete(id);
        assert_eq!(rack.settle(id).await, "gone", "{phase}");
        assert!(rack.store().claims.is_empty(), "{phase}");
        assert!(rack.store().serves_nothing(), "{phase}");
        let seen = rack.bmc("lab-1").seen();
        let claimed = phase != "pending";
        assert_eq!(seen.power, if claimed { Power::Off } else { Power::On }, "{phase}");
        if claimed {
            assert_eq!(seen.next_boot, Some(Target::Disk), "{phase}");
        }
        let host = rack.find(Kind::Host, "lab-1").expect("a host");
        rack.run_due().await;
        assert_eq!(rack.get::<Host>(host).status.machine, None, "{phase}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_runs_is_never_let_go() {
    for (call, fault) in [
        (Call::Power(Power::Off), Fault::Lie),
        (Call::Power(Power::Off), Fault::Busy),
        (Call::Observe, Fault::Silent),
        (Call::Observe, Fault::Hang),
        (Call::NextBoot(Target::Disk), Fault::Broken),
    ] {
        let (rack, id) = at("ready").await;
        rack.bmc("lab-1").break_down(Some(call), fault, Times::Forever);
        rack.delete(id);
        rack.go_on(Duration::from_secs(24 * 3600)).await;
        assert_eq!(rack.phase::<Machine>(id), "releasing", "{call:?} {fault:?}");
        assert_eq!(rack.store().claims.values().collect::<Vec<_>>(), [&id]);
        assert!(rack.store().serves_nothing());
        let waits = rack.machine(id).progress;
        assert!(waits.waiting_for.is_some() || waits.failure.is_some(), "it says why");
        rack.bmc("lab-1").mend();
        assert_eq!(rack.settle(id).await, "gone", "{call:?} {fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_served_to_the_host_from_the_moment_deletion_is_seen() {
    let (rack, id) = at("booting").await;
    assert!(!rack.store().plans.is_empty());
    rack.delete(id);
    rack.step(id).await;
    assert!(rack.store().serves_nothing());
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_never_had_a_host_is_gone_at_once() {
    let rack = Rack::with_hosts(1).await;
    let id = rack.put::<Machine>("web-1", machine("lab-9"));
    assert_eq!(rack.settle(id).await, "failed");
    rack.delete(id);
    assert_eq!(rack.settle(id).await, "gone");
    assert!(rack.is_gone(id));
}
