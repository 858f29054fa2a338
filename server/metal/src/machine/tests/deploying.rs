//! Whole deployments on the rack, from a machine's first look to Ready and on.

use std::time::Duration;

use underlay_core::{
    ObjectId, State as _,
    agent::Task,
    bmc::{Power, Target},
    machine::{Aspect, Deployed, Disruption, Machine, Redeploy, Spec, State, WaitFor},
    observation::{Body, Source},
};

use crate::{
    bmc::fake::Call,
    testing::{Commits, Habit, Rack, Runs, image_ref, machine},
};

/// A machine that is ready on `lab-1` of a rack of `hosts`.
pub(super) async fn ready(hosts: u8) -> (Rack, ObjectId) {
    let rack = Rack::with_hosts(hosts).await;
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    assert_eq!(rack.settle(id).await, "ready", "{:?}", rack.machine(id).progress);
    (rack, id)
}

/// How often an agent was told to write, for any machine.
pub(super) fn deploys(rack: &Rack) -> usize {
    let store = rack.store();
    let mut epochs: Vec<_> = store
        .assigned
        .iter()
        .filter(|(_, work)| matches!(work.task, Task::Deploy(_)))
        .map(|(_, work)| work.epoch)
        .collect();
    epochs.dedup();
    epochs.len()
}

pub(super) fn deployed(rack: &Rack, id: ObjectId) -> Deployed {
    match rack.machine(id).state {
        State::Ready { deployed } => deployed,
        other => panic!("not ready: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_powered_off_host_becomes_a_running_machine() {
    let (rack, id) = ready(1).await;
    let store = rack.store();
    let phases: Vec<_> = store.entered.iter().filter(|(of, _)| *of == id).map(|(_, phase)| *phase).collect();
    assert_eq!(phases, ["powering_off", "powering_on", "booting", "imaging", "starting", "ready"]);
    assert!(store.tokens.is_empty() && store.plans.is_empty() && store.assignments.is_empty());
    drop(store);
    let machine = rack.machine(id);
    assert_eq!(machine.status.address.as_deref(), Some("10.0.0.7"));
    assert_eq!(machine.status.deployments, 1);
    assert_eq!(machine.status.deployed, Some(deployed(&rack, id)));
    assert!(machine.status.inventory.is_some());
    assert_eq!(rack.bmc("lab-1").boots(), [Target::NetworkOnce]);
    assert_eq!(rack.bmc("lab-1").seen().next_boot, Some(Target::Disk));
    assert_eq!(rack.boxes.with("lab-1", |one| (one.runs.clone(), one.writes.len())), (Runs::Disk, 1));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_dies_before_every_commit_comes_to_the_same_end() {
    let mut rack = Rack::with_hosts(1).await;
    rack.commits = Commits::SecondTime;
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    assert_eq!(rack.settle(id).await, "ready");
    let (sound, other) = ready(1).await;
    let facts = |rack: &Rack, id| {
        let machine = rack.machine(id);
        let phases: Vec<_> = rack.store().entered.iter().filter(|(of, _)| *of == id).map(|e| e.1).collect();
        let status = machine.status;
        (phases, status.deployments, status.address, rack.bmc("lab-1").boots(), rack.bmc("lab-1").seen())
    };
    assert_eq!(facts(&rack, id), facts(&sound, other));
    assert_eq!(rack.boxes.with("lab-1", |one| one.writes.len()), 1, "imaged once");
    rack.put_image('b');
    rack.put::<Machine>("web-1", Spec { image: image_ref("debian", 'b'), ..machine("lab-1") });
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(rack.boxes.with("lab-1", |one| one.writes.len()), 2, "and once more");
    rack.delete(id);
    assert_eq!(rack.settle(id).await, "gone");
    assert_eq!(rack.bmc("lab-1").seen().power, Power::Off);
}

#[tokio::test(start_paused = true)]
async fn what_is_ready_rests_whatever_wakes_it() {
    let (rack, id) = ready(1).await;
    let (before, calls) = (rack.machine(id), rack.bmc("lab-1").calls().len());
    for _ in 0..3 {
        rack.step(id).await;
    }
    rack.go_on(Duration::from_secs(7 * 24 * 3600)).await;
    assert_eq!(rack.machine(id), before);
    let later = rack.bmc("lab-1").calls().split_off(calls);
    assert!(later.iter().all(|call| *call == Call::Observe), "{later:?}");
    assert_eq!(deploys(&rack), 1);
}

#[tokio::test(start_paused = true)]
async fn another_image_is_deployed_in_place() {
    let (rack, id) = ready(1).await;
    let before = deployed(&rack, id);
    rack.put_image('b');
    rack.put::<Machine>("web-1", Spec { image: image_ref("debian", 'b'), ..machine("lab-1") });
    assert_eq!(rack.settle(id).await, "ready");
    let after = deployed(&rack, id);
    assert_eq!((after.image, after.host), (image_ref("debian", 'b'), before.host));
    assert!(after.epoch > before.epoch);
    assert_eq!(rack.boxes.with("lab-1", |one| one.writes.clone()), [before.epoch, after.epoch]);
    assert_eq!(rack.machine(id).status.deployments, 2);
}

#[tokio::test(start_paused = true)]
async fn more_disruption_than_allowed_starts_nothing_and_is_shown() {
    let (rack, id) = ready(1).await;
    rack.put_image('b');
    let allow_disruption = Disruption::Reboot;
    let spec = Spec { image: image_ref("debian", 'b'), allow_disruption, ..machine("lab-1") };
    rack.put::<Machine>("web-1", spec);
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(rack.machine(id).status.pending, [Aspect::Image].into());
    assert_eq!(deploys(&rack), 1);
}

#[tokio::test(start_paused = true)]
async fn what_redeploy_does_not_name_waits_until_its_generation_is_raised() {
    let (rack, id) = ready(1).await;
    let renamed = Spec { hostname: "other".into(), ..machine("lab-1") };
    rack.put::<Machine>("web-1", renamed.clone());
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(rack.machine(id).status.pending, [Aspect::Config].into());
    assert_eq!(deploys(&rack), 1);
    let redeploy = Redeploy { generation: 2, ..Redeploy::default() };
    rack.put::<Machine>("web-1", Spec { redeploy, ..renamed });
    assert_eq!(rack.settle(id).await, "ready");
    assert!(rack.machine(id).status.pending.is_empty());
    assert_eq!(deploys(&rack), 2);
}

/// Step until the machine is in `phase`, letting boxes act only where that needs them.
async fn until(rack: &Rack, id: ObjectId, phase: &str) {
    for _ in 0..100 {
        if rack.machine(id).state.phase() == phase {
            return;
        }
        rack.step(id).await;
        if rack.machine(id).state.phase() != phase {
            rack.boxes.act(rack);
        }
    }
    panic!("never {phase}: {:?}", rack.machine(id));
}

#[tokio::test(start_paused = true)]
async fn a_change_before_anything_is_written_starts_over() {
    for phase in ["powering_off", "powering_on", "booting"] {
        let rack = Rack::with_hosts(1).await;
        let id = rack.put::<Machine>("web-1", machine("lab-1"));
        until(&rack, id, phase).await;
        rack.put_image('b');
        rack.put::<Machine>("web-1", Spec { image: image_ref("debian", 'b'), ..machine("lab-1") });
        assert_eq!(rack.settle(id).await, "ready", "{phase}");
        assert_eq!(deployed(&rack, id).image, image_ref("debian", 'b'));
        assert_eq!(
            rack.boxes.with("lab-1", |one| one.writes.len()),
            1,
            "{phase}: the old one was not written"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_while_it_is_written_waits_for_the_end_and_is_deployed_then() {
    let rack = Rack::with_hosts(1).await;
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    until(&rack, id, "imaging").await;
    rack.put_image('b');
    rack.put::<Machine>("web-1", Spec { image: image_ref("debian", 'b'), ..machine("lab-1") });
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(deployed(&rack, id).image, image_ref("debian", 'b'));
    assert_eq!(rack.boxes.with("lab-1", |one| one.writes.len()), 2);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_means_nothing_does_not_disturb_a_deployment() {
    let rack = Rack::with_hosts(1).await;
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    until(&rack, id, "booting").await;
    rack.put::<Machine>("web-1", Spec { allow_disruption: Disruption::EraseAll, ..machine("lab-1") });
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(deploys(&rack), 1);
    assert_eq!(rack.bmc("lab-1").boots().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_taken_back_before_it_was_written_starts_what_is_on_the_disk() {
    for phase in ["powering_off", "powering_on", "booting"] {
        let (rack, id) = ready(1).await;
        let before = deployed(&rack, id);
        rack.put_image('b');
        rack.put::<Machine>("web-1", Spec { image: image_ref("debian", 'b'), ..machine("lab-1") });
        until(&rack, id, phase).await;
        rack.put_image('a');
        rack.put::<Machine>("web-1", machine("lab-1"));
        assert_eq!(rack.settle(id).await, "ready", "{phase}");
        let after = deployed(&rack, id);
        assert_eq!(after.digests, before.digests);
        assert_eq!(rack.boxes.with("lab-1", |one| one.writes.clone()), [before.epoch], "not written again");
        assert_eq!(rack.boxes.with("lab-1", |one| one.runs.clone()), Runs::Disk, "{phase}");
        assert_eq!(rack.bmc("lab-1").boots().last(), Some(&Target::Disk), "{phase}");
        assert!(rack.store().plans.is_empty() && rack.store().tokens.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_redeployment_refused_at_once_leaves_the_running_system_alone() {
    let (rack, id) = ready(1).await;
    let boots = rack.bmc("lab-1").boots().len();
    let gone = Spec { image: image_ref("gone", 'b'), ..machine("lab-1") };
    rack.put::<Machine>("web-1", gone);
    assert_eq!(rack.settle(id).await, "failed");
    let machine_now = rack.machine(id);
    assert!(machine_now.state.deployed().is_some() && machine_now.status.deployed.is_some());
    rack.put::<Machine>("web-1", machine("lab-1"));
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!((rack.bmc("lab-1").boots().len(), deploys(&rack)), (boots, 1), "nobody touched it");
}

#[tokio::test(start_paused = true)]
async fn written_counts_as_ready_before_the_system_is_up_and_its_call_is_taken_later() {
    let rack = Rack::with_hosts(1).await;
    rack.boxes.with("lab-1", |one| one.habit = Habit::NoSystem);
    let id = rack.put::<Machine>("web-1", Spec { wait_for: WaitFor::Written, ..machine("lab-1") });
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(rack.machine(id).status.address, None);
    rack.go_on(Duration::from_secs(60)).await;
    assert_eq!(rack.boxes.with("lab-1", |one| one.runs.clone()), Runs::Disk, "the agent was told to leave");
    rack.boxes.with("lab-1", |one| one.habit = Habit::Good);
    rack.go_on(Duration::from_secs(60)).await;
    assert_eq!(rack.machine(id).status.address.as_deref(), Some("10.0.0.7"));
    assert!(rack.store().tokens.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_boot_says_is_not_heard() {
    let rack = Rack::with_hosts(1).await;
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    rack.boxes.with("lab-1", |one| one.habit = Habit::NoAgent);
    until(&rack, id, "booting").await;
    let host = rack.machine(id).status.host.expect("a host");
    let epoch = rack.machine(id).status.epoch - 1;
    let inventory = Box::new(crate::testing::inventory(1));
    rack.observe(host, Source::Inventory, Body::Inventory { epoch, inventory });
    rack.step(id).await;
    assert_eq!(rack.machine(id).state.phase(), "booting");

    rack.boxes.with("lab-1", |one| one.habit = Habit::Silent);
    rack.bmc("lab-1").change(|seen| seen.power = Power::Off);
    rack.boxes.act(&rack);
    rack.apply_again(id);
    rack.put::<Machine>("web-1", Spec { hostname: "again".into(), ..machine("lab-1") });
    until(&rack, id, "imaging").await;
    let stage = underlay_core::agent::Stage::Written {
        disk: "vda".into(),
        written: 1,
        elapsed_ms: 1,
        peak_memory: 1,
    };
    let report = underlay_core::agent::Report { epoch, stage };
    rack.observe(host, Source::Agent, Body::Report(report));
    rack.step(id).await;
    assert_eq!(rack.machine(id).state.phase(), "imaging");

    rack.boxes.with("lab-1", |one| one.habit = Habit::NoSystem);
    until(&rack, id, "starting").await;
    let (ssh_host_keys, address) = (Vec::new(), "10.0.0.66".into());
    rack.observe(host, Source::PhoneHome, Body::PhoneHome { epoch, ssh_host_keys, address });
    rack.step(id).await;
    assert_eq!(rack.machine(id).state.phase(), "starting");
}
