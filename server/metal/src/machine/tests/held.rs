//! Brakes and cancellations: what is stopped, where, what goes on, and that no deadline runs meanwhile.

use std::time::Duration;

use underlay_core::{
    brake::Reach,
    cancellation::Until,
    host::Host,
    machine::{Machine, Spec},
};

use crate::{
    bmc::fake::Call,
    testing::{Rack, image_ref, machine},
};

const DAYS: Duration = Duration::from_secs(3 * 24 * 3600);

fn changes(rack: &Rack) -> usize {
    rack.bmc("lab-1").calls().iter().filter(|call| **call != Call::Observe).count()
}

fn pool(name: &str) -> Reach {
    Reach { site: None, pool: Some(name.parse().expect("a name")) }
}

/// A machine that has just entered `phase`; nothing acts by itself.
async fn at(phase: &str) -> (Rack, underlay_core::ObjectId) {
    let rack = Rack::with_hosts(1).await;
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    for _ in 0..200 {
        if rack.phase::<Machine>(id) == phase {
            return (rack, id);
        }
        rack.step(id).await;
        let now = rack.phase::<Machine>(id);
        if now != phase && ["booting", "imaging", "starting"].contains(&now) {
            rack.boxes.act(&rack);
        }
    }
    panic!("never {phase}");
}

#[tokio::test(start_paused = true)]
async fn a_frozen_machine_begins_nothing_and_goes_on_where_it_was() {
    for phase in ["pending", "powering_off", "powering_on", "booting"] {
        let (rack, id) = at(phase).await;
        rack.brake(pool("lab"));
        let before = changes(&rack);
        rack.go_on(DAYS).await;
        let held = rack.machine(id);
        assert_eq!(rack.phase::<Machine>(id), phase, "stays where it was");
        assert_eq!(changes(&rack), before, "{phase}: no BMC call that changes anything");
        let words = "frozen by ops since";
        assert!(held.progress.waiting_for.as_ref().is_some_and(|it| it.starts_with(words)), "{held:?}");
        assert!(held.progress.held.is_some() && held.progress.failure.is_none(), "{phase}");
        assert!(rack.store().assignments.values().all(|it| it.task == underlay_core::agent::Task::Stay));
        rack.release();
        assert_eq!(rack.settle(id).await, "ready", "{phase}: no deadline ran while it was held");
        assert!(rack.machine(id).progress.held.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_being_written_is_written_to_its_end_and_the_host_not_restarted() {
    let (rack, id) = at("imaging").await;
    rack.brake(Reach::default());
    let before = changes(&rack);
    rack.go_on(DAYS).await;
    assert_eq!((rack.phase::<Machine>(id), changes(&rack)), ("imaging", before));
    let held = rack.machine(id).progress.waiting_for.unwrap_or_default();
    assert!(held.starts_with("frozen by ops"), "written, and not told to leave: {held}");
    rack.release();
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(rack.machine(id).status.deployments, 1, "not imaged twice");
}

#[tokio::test(start_paused = true)]
async fn what_runs_is_left_alone_and_what_is_put_waits() {
    let rack = Rack::with_hosts(1).await;
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    assert_eq!(rack.settle(id).await, "ready");
    rack.brake(pool("lab"));
    let before = changes(&rack);
    rack.put_image('b');
    rack.put::<Machine>("web-1", Spec { image: image_ref("debian", 'b'), ..machine("lab-1") });
    rack.go_on(DAYS).await;
    assert_eq!((rack.phase::<Machine>(id), changes(&rack)), ("pending", before));
    rack.delete(id);
    rack.go_on(DAYS).await;
    assert!(!rack.is_gone(id), "release switches off, and so waits");
    assert_eq!(changes(&rack), before);
    rack.release();
    rack.go_on(Duration::from_secs(600)).await;
    assert!(rack.is_gone(id));
}

#[tokio::test(start_paused = true)]
async fn a_freeze_of_another_pool_holds_nothing_back() {
    let rack = Rack::with_hosts(1).await;
    rack.brake(pool("db"));
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    assert_eq!(rack.settle(id).await, "ready");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_to_be_switched_off_before_it_leaves_waits() {
    let rack = Rack::with_hosts(1).await;
    let id = rack.find(underlay_core::Kind::Host, "lab-1").expect("the host");
    let mut spec = crate::testing::host(1);
    spec.on_destroy = underlay_core::host::OnDestroy::PowerOff;
    rack.put::<Host>("lab-1", spec);
    rack.brake(Reach::default());
    rack.delete(id);
    rack.go_on(DAYS).await;
    assert!(!rack.is_gone(id));
    rack.release();
    rack.go_on(Duration::from_secs(60)).await;
    assert!(rack.is_gone(id));
}

#[tokio::test(start_paused = true)]
async fn an_operation_is_cancelled_where_nothing_was_written_yet() {
    for phase in ["pending", "powering_off", "powering_on", "booting"] {
        let (rack, id) = at(phase).await;
        let before = changes(&rack);
        rack.cancel(id, Until::Written);
        rack.go_on(DAYS).await;
        assert_eq!(rack.phase::<Machine>(id), "failed", "{phase}");
        let failure = rack.machine(id).progress.failure.expect("a reason");
        assert_eq!(failure.why, "cancelled by ops: wrong rack");
        assert!(failure.done.contains("nothing was written"), "{failure}");
        assert!(rack.store().serves_nothing(), "{phase}: no plan, no token, no work");
        assert_eq!(changes(&rack), before, "{phase}");
        rack.apply_again(id);
        assert_eq!(rack.settle(id).await, "ready", "{phase}: the next generation tries again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_frozen_operation_can_be_cancelled() {
    let (rack, id) = at("powering_off").await;
    rack.brake(Reach::default());
    rack.go_on(Duration::from_secs(60)).await;
    rack.cancel(id, Until::Written);
    rack.go_on(Duration::from_secs(60)).await;
    assert_eq!(rack.phase::<Machine>(id), "failed");
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_written_is_cancelled_by_force_only() {
    for phase in ["imaging", "starting"] {
        let (rack, id) = at(phase).await;
        rack.cancel(id, Until::Written);
        rack.step(id).await;
        assert_eq!(rack.phase::<Machine>(id), phase, "too late for this one");
        rack.cancel(id, Until::TheEnd);
        rack.step(id).await;
        assert_eq!(rack.phase::<Machine>(id), "failed");
        assert!(rack.machine(id).status.deployed.is_none(), "what is on the disk is not relied on");
        assert!(rack.store().serves_nothing());
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_redeploy_leaves_what_was_there() {
    let rack = Rack::with_hosts(1).await;
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    assert_eq!(rack.settle(id).await, "ready");
    let runs = rack.machine(id).status.deployed;
    rack.put_image('b');
    rack.put::<Machine>("web-1", Spec { image: image_ref("debian", 'b'), ..machine("lab-1") });
    while rack.phase::<Machine>(id) != "powering_off" {
        rack.step(id).await;
    }
    rack.cancel(id, Until::Written);
    rack.go_on(Duration::from_secs(60)).await;
    assert_eq!(rack.machine(id).status.deployed, runs, "nothing was erased");
    let writes = rack.machine(id).status.deployments;
    rack.put_image('a');
    rack.put::<Machine>("web-1", machine("lab-1"));
    assert_eq!(rack.settle(id).await, "ready", "what was there is started again");
    assert_eq!(rack.machine(id).status.deployments, writes);
}

#[tokio::test(start_paused = true)]
async fn a_wish_of_an_earlier_generation_is_void() {
    let (rack, id) = at("powering_off").await;
    rack.cancel(id, Until::TheEnd);
    rack.apply_again(id);
    assert_eq!(rack.settle(id).await, "ready");
}

#[tokio::test(start_paused = true)]
async fn a_boot_that_was_held_for_long_is_begun_anew_and_a_short_freeze_costs_nothing() {
    for (frozen, boots) in [(Duration::from_secs(600), 1), (DAYS, 2)] {
        let (rack, id) = at("booting").await;
        let epoch = rack.machine(id).status.epoch;
        rack.brake(Reach::default());
        rack.go_on(frozen).await;
        rack.release();
        assert_eq!(rack.settle(id).await, "ready");
        let ons = Call::Power(underlay_core::bmc::Power::On);
        let times = rack.bmc("lab-1").calls().iter().filter(|call| **call == ons).count();
        assert_eq!(times, boots, "{frozen:?}");
        assert_eq!(rack.machine(id).status.epoch > epoch, boots == 2, "an epoch is of one boot");
    }
}
