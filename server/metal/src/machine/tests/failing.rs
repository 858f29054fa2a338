//! What goes wrong on the way: BMCs that refuse, lie and hang, agents that stay away, stall and fail, a store that is
//! down.

use std::time::Duration;

use underlay_core::{
    ObjectId, State as _,
    bmc::{Power, Target},
    machine::{Machine, Spec, State},
    observation::{Body, Source},
};

use super::deploying::{deployed, deploys, ready};
use crate::{
    bmc::fake::{Call, Fault, Times},
    machine::Patience,
    testing::{Habit, Rack, image_ref, machine},
};

const CALLS: [Call; 5] = [
    Call::Observe,
    Call::Power(Power::Off),
    Call::Power(Power::On),
    Call::NextBoot(Target::NetworkOnce),
    Call::NextBoot(Target::Disk),
];
const FAULTS: [Fault; 6] =
    [Fault::Refuse, Fault::Silent, Fault::Broken, Fault::Busy, Fault::Hang, Fault::Lie];

/// A machine whose host is on at first, so that every call is made.
fn begin(rack: &Rack) -> ObjectId {
    rack.bmc("lab-1").change(|seen| seen.power = Power::On);
    rack.put::<Machine>("web-1", machine("lab-1"))
}

/// The same, claimed, with the next call its own.
async fn claimed(rack: &Rack) -> ObjectId {
    let id = begin(rack);
    rack.step(id).await;
    rack.step(rack.machine(id).status.host.expect("a host")).await;
    id
}

fn failure(rack: &Rack, id: ObjectId) -> underlay_core::Failure {
    rack.machine(id).progress.failure.expect("a failure")
}

#[tokio::test(start_paused = true)]
async fn every_driver_call_may_fail_once() {
    for call in CALLS {
        for fault in FAULTS {
            let rack = Rack::with_hosts(1).await;
            let id = claimed(&rack).await;
            rack.bmc("lab-1").break_down(Some(call), fault, Times::Once);
            let phase = rack.settle(id).await;
            // A BMC that says no is not asked twice, and one that lies about the order of boots is not found out.
            if fault == Fault::Refuse || (fault, call) == (Fault::Lie, Call::NextBoot(Target::NetworkOnce)) {
                assert_eq!(phase, "failed", "{call:?} {fault:?}");
                rack.apply_again(id);
            }
            assert_eq!(rack.settle(id).await, "ready", "{call:?} {fault:?}");
            let writes = rack.boxes.with("lab-1", |one| one.writes.len());
            let refused_after = (fault, call) == (Fault::Refuse, Call::NextBoot(Target::Disk));
            assert_eq!(writes, if refused_after { 2 } else { 1 }, "{call:?} {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_driver_call_may_fail_for_ever_and_the_deployment_ends() {
    for call in CALLS {
        for fault in FAULTS {
            if (fault, call) == (Fault::Lie, Call::Observe) || (fault, call) == (Fault::Lie, CALLS[4]) {
                // A lie about what is only looked at, or never needed again, shows nowhere.
                continue;
            }
            let rack = Rack::with_hosts(1).await;
            let id = claimed(&rack).await;
            rack.bmc("lab-1").break_down(Some(call), fault, Times::Forever);
            assert_eq!(rack.settle(id).await, "failed", "{call:?} {fault:?}");
            let machine = rack.machine(id);
            assert!(machine.progress.failure.is_some(), "{call:?} {fault:?}");
            assert_eq!(rack.store().claims.len(), 1, "the host is kept");
            assert!(rack.store().plans.is_empty() && rack.store().tokens.is_empty());
            let writes = rack.boxes.with("lab-1", |one| one.writes.len());
            assert_eq!(writes, usize::from(call == Call::NextBoot(Target::Disk)), "{call:?} {fault:?}");
            rack.bmc("lab-1").mend();
            rack.apply_again(id);
            assert_eq!(rack.settle(id).await, "ready", "{call:?} {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_bmc_that_accepts_off_and_stays_on_is_named_a_liar_in_time() {
    let rack = Rack::with_hosts(1).await;
    let id = begin(&rack);
    rack.bmc("lab-1").break_down(Some(Call::Power(Power::Off)), Fault::Lie, Times::Forever);
    let began = rack.now();
    assert_eq!(rack.settle(id).await, "failed");
    assert!(failure(&rack, id).why.contains("still reports that it is on"), "{}", failure(&rack, id));
    let took = rack.now().duration_since(began).as_secs();
    assert!((300..600).contains(&took), "{took} s");
}

#[tokio::test(start_paused = true)]
async fn a_bmc_that_refuses_is_not_asked_again() {
    let rack = Rack::with_hosts(1).await;
    let id = begin(&rack);
    rack.step(id).await;
    rack.bmc("lab-1").break_down(Some(Call::Power(Power::Off)), Fault::Refuse, Times::Forever);
    let began = rack.now();
    assert_eq!(rack.settle(id).await, "failed");
    assert_eq!(rack.now().duration_since(began).as_secs(), 0, "no time goes by");
    assert!(failure(&rack, id).why.contains("401 Unauthorized"));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_never_calls_home_ends_in_a_failure_that_says_what_was_seen() {
    let rack = Rack::with_hosts(1).await;
    rack.boxes.with("lab-1", |one| one.habit = Habit::NoAgent);
    let id = begin(&rack);
    assert_eq!(rack.settle(id).await, "failed");
    let failure = failure(&rack, id);
    assert!(failure.why.contains("fetched its boot script"), "{failure}");
    assert_eq!(rack.bmc("lab-1").seen().power, Power::On, "left on to be looked at");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_boots_again_and_again_is_not_waited_for_for_ever() {
    let rack = Rack::with_hosts(1).await;
    rack.boxes.with("lab-1", |one| one.habit = Habit::NoAgent);
    let id = begin(&rack);
    while rack.machine(id).state.phase() != "booting" {
        rack.step(id).await;
    }
    let host = rack.machine(id).state.run().expect("a run").host;
    let (began, patience) = (rack.now(), Patience::default().boot);
    for what in ["fetched its boot script", "asked DHCP"].iter().cycle().take(20) {
        rack.observe(host, Source::Boot, Body::Boot { what: (*what).into() });
        rack.go_on(patience / 2).await;
    }
    assert_eq!(rack.machine(id).state.phase(), "failed");
    assert!(failure(&rack, id).why.contains("boots again and again"), "{}", failure(&rack, id));
    let lasted = rack.machine(id).progress.since.duration_since(began).unsigned_abs();
    assert!((patience * 4..patience * 5).contains(&lasted), "{lasted:?}");
}

/// What a failed redeployment says of the system that ran before.
async fn redeployment_fails(habit: Habit) -> (Rack, ObjectId) {
    let (rack, id) = ready(1).await;
    rack.boxes.with("lab-1", |one| one.habit = habit);
    rack.put_image('b');
    rack.put::<Machine>("web-1", Spec { image: image_ref("debian", 'b'), ..machine("lab-1") });
    assert_eq!(rack.settle(id).await, "failed", "{habit:?}");
    let machine = rack.machine(id);
    assert_eq!(machine.state.deployed(), machine.status.deployed.as_ref(), "both tell the same");
    (rack, id)
}

#[tokio::test(start_paused = true)]
async fn what_ran_before_counts_until_its_disk_was_or_may_have_been_touched() {
    for (habit, kept) in [
        (Habit::NoAgent, true),
        (Habit::FailsBefore, true),
        (Habit::Silent, false),
        (Habit::FailsAfter, false),
        (Habit::Stalls, false),
        (Habit::NoSystem, false),
    ] {
        let (rack, id) = redeployment_fails(habit).await;
        assert_eq!(rack.machine(id).state.deployed().is_some(), kept, "{habit:?}");
        rack.boxes.with("lab-1", |one| one.habit = Habit::Good);
        rack.apply_again(id);
        assert_eq!(rack.settle(id).await, "ready", "{habit:?}: a new generation tries again");
        assert_eq!(deployed(&rack, id).image, image_ref("debian", 'b'));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_stands_and_nothing_is_tried_until_a_new_generation_comes() {
    let (rack, id) = redeployment_fails(Habit::FailsAfter).await;
    rack.boxes.with("lab-1", |one| one.habit = Habit::Good);
    let (before, calls, assigned) = (rack.machine(id), rack.bmc("lab-1").calls().len(), deploys(&rack));
    for _ in 0..5 {
        rack.step(id).await;
    }
    rack.go_on(Duration::from_secs(24 * 3600)).await;
    assert_eq!(rack.machine(id), before);
    assert_eq!(deploys(&rack), assigned);
    let later = rack.bmc("lab-1").calls().split_off(calls);
    assert!(later.iter().all(|call| *call == Call::Observe), "{later:?}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_stalls_is_given_up_with_how_far_it_came() {
    let (rack, id) = redeployment_fails(Habit::Stalls).await;
    assert!(failure(&rack, id).why.contains("50 of 100 bytes were written"), "{}", failure(&rack, id));
    assert!(rack.store().assignments.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_failure_after_the_spec_has_changed_goes_on_with_the_new_one() {
    let (rack, id) = ready(1).await;
    rack.boxes.with("lab-1", |one| one.habit = Habit::Stalls);
    rack.put_image('b');
    rack.put::<Machine>("web-1", Spec { image: image_ref("debian", 'b'), ..machine("lab-1") });
    while rack.machine(id).state.phase() != "imaging" {
        rack.step(id).await;
        rack.boxes.act(&rack);
    }
    rack.put_image('a');
    rack.put::<Machine>("web-1", machine("lab-1"));
    rack.go_on(Duration::from_secs(5)).await;
    rack.boxes.with("lab-1", |one| one.habit = Habit::FailsAfter);
    rack.boxes.act(&rack);
    rack.boxes.with("lab-1", |one| one.habit = Habit::Good);
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(deployed(&rack, id).image, image_ref("debian", 'a'));
    assert_eq!(rack.boxes.with("lab-1", |one| one.writes.len()), 3, "what was half written is no system");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_read_is_waited_for_in_every_state() {
    for phase in ["pending", "powering_off", "powering_on", "booting", "imaging", "starting", "ready"] {
        let rack = Rack::with_hosts(1).await;
        let id = begin(&rack);
        for _ in 0..200 {
            if rack.machine(id).state.phase() == phase {
                break;
            }
            rack.step(id).await;
            if rack.machine(id).state.phase() != phase {
                rack.boxes.act(&rack);
            }
        }
        let before = rack.machine(id).state;
        assert_eq!(before.phase(), phase);
        rack.break_store(true);
        rack.step(id).await;
        let machine = rack.machine(id);
        assert_eq!(machine.state, before, "{phase}");
        rack.break_store(false);
        assert_eq!(rack.settle(id).await, "ready", "{phase}");
        assert!(matches!(rack.machine(id).state, State::Ready { .. }));
    }
}

#[tokio::test(start_paused = true)]
async fn user_data_that_does_not_fit_is_refused_before_anything_is_written() {
    let rack = Rack::with_hosts(1).await;
    let id = begin(&rack);
    rack.set_user_data(id, &"x".repeat(600 << 10));
    assert_eq!(rack.settle(id).await, "failed");
    assert_eq!(failure(&rack, id).attribute.as_deref(), Some("user_data"));
    assert_eq!(deploys(&rack), 0);
}
