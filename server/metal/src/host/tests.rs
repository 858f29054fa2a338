//! Hosts, state by state: enrolled when their driver answers for them, set aside when their token was misused, left
//! alone otherwise, gone when their machine has let go.

use std::time::Duration;

use proptest::{prelude::*, strategy::ValueTree as _};
use underlay_core::{
    Effect, Kind, ObjectId, State as _,
    bmc::Power,
    host::{Driver, Health, Host, OnDestroy, Spec},
    machine::Machine,
    observation::{Body, Source},
    resident::{Line, STALE, System},
};

use crate::{
    bmc::fake::{Call, Fault, Times},
    testing::{self, Rack, machine},
};

fn health(rack: &Rack, id: ObjectId, name: &str) -> Option<Health> {
    let host = rack.get::<Host>(id);
    host.status.conditions.iter().find(|condition| condition.name == name).map(|condition| condition.health)
}

async fn enrolled() -> (Rack, ObjectId) {
    let rack = Rack::with_hosts(1).await;
    let id = rack.find(Kind::Host, "lab-1").expect("a host");
    (rack, id)
}

#[tokio::test(start_paused = true)]
async fn a_host_is_available_once_its_driver_has_answered() {
    for fault in [Fault::Silent, Fault::Busy, Fault::Broken, Fault::Refuse] {
        let rack = Rack::default();
        rack.bmc("lab-1").break_down(None, fault, Times::Forever);
        let id = rack.put::<Host>("lab-1", testing::host(1));
        rack.go_on(Duration::from_secs(3600)).await;
        let host = rack.get::<Host>(id);
        assert_eq!(host.state.phase(), "enrolling", "{fault:?}");
        assert!(host.progress.waiting_for.is_some() || host.progress.failure.is_some(), "it says why");
        assert_eq!(host.progress.failure.is_some(), fault == Fault::Refuse);
        assert_eq!(health(&rack, id, "Reachable"), Some(Health::Bad));
        rack.bmc("lab-1").mend();
        rack.go_on(Duration::from_secs(120)).await;
        assert_eq!(rack.phase::<Host>(id), "available", "{fault:?}: mended outside, it goes on by itself");
        assert_eq!(health(&rack, id, "Reachable"), Some(Health::Good));
        assert!(rack.bmc("lab-1").calls().iter().all(|call| *call == Call::Observe), "nothing is switched");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_driver_tells_is_shown_and_what_was_enrolled_comes_first() {
    let rack = Rack::default();
    rack.bmc("lab-1").change(|seen| {
        seen.power = Power::On;
        seen.macs = vec![testing::mac(7)];
        seen.certificate = Some("first".into());
        seen.forwards = [("22".to_owned(), "127.0.0.1:40022".to_owned())].into();
    });
    let id = rack.put::<Host>("lab-1", testing::host(1));
    rack.run_due().await;
    let status = rack.get::<Host>(id).status;
    assert_eq!((status.power, status.boot_mac), (Some(Power::On), Some(testing::mac(1))));
    assert_eq!(status.forwards["22"], "127.0.0.1:40022");
    rack.bmc("lab-1").change(|seen| seen.certificate = Some("second".into()));
    rack.go_on(Duration::from_secs(1200)).await;
    let status = rack.get::<Host>(id).status;
    assert_eq!(status.pinned_certificate.as_deref(), Some("first"), "the first one stays pinned");
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_answers_for_another_box_is_no_longer_this_hosts() {
    let (rack, id) = enrolled().await;
    rack.bmc("lab-1").change(|seen| seen.serial = Some("SN-2".into()));
    rack.go_on(Duration::from_secs(900)).await;
    let host = rack.get::<Host>(id);
    assert_eq!(host.state.phase(), "enrolling");
    assert_eq!(host.progress.failure.expect("a failure").attribute.as_deref(), Some("identity"));
    assert_eq!(health(&rack, id, "IdentityVerified"), Some(Health::Bad));
    rack.bmc("lab-1").change(|seen| seen.serial = Some("SN-1".into()));
    rack.go_on(Duration::from_secs(120)).await;
    assert_eq!(rack.phase::<Host>(id), "available");
}

#[tokio::test(start_paused = true)]
async fn an_old_inventory_of_another_box_is_a_condition_and_no_dead_end() {
    let (rack, id) = enrolled().await;
    let inventory = Box::new(testing::inventory(2));
    rack.observe(id, Source::Inventory, Body::Inventory { epoch: 1, inventory });
    rack.run_due().await;
    assert_eq!(health(&rack, id, "IdentityVerified"), Some(Health::Bad));
    assert_eq!(rack.phase::<Host>(id), "available");
    let inventory = Box::new(testing::inventory(1));
    rack.observe(id, Source::Inventory, Body::Inventory { epoch: 2, inventory });
    rack.run_due().await;
    assert_eq!(health(&rack, id, "IdentityVerified"), Some(Health::Good));
    assert!(rack.get::<Host>(id).status.inventory.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_intruder_sets_the_host_aside_until_a_new_generation_clears_it() {
    let (rack, id) = enrolled().await;
    rack.store().now += Duration::from_secs(1);
    let (key, address) = ("SHA256:other".into(), "10.0.0.66".into());
    rack.observe(id, Source::Intruder, Body::Intruder { epoch: 1, key, address });
    rack.run_due().await;
    assert_eq!(rack.phase::<Host>(id), "quarantined");
    let host = rack.get::<Host>(id);
    let failure = host.progress.failure.clone().expect("a failure");
    assert!(failure.blames_host && failure.why.contains("SHA256:other"), "{failure}");
    assert!(rack.store().effects.contains(&Effect::RevokeTokens { host: id }));
    for _ in 0..3 {
        rack.step(id).await;
    }
    rack.go_on(Duration::from_secs(7 * 24 * 3600)).await;
    assert_eq!(rack.get::<Host>(id), host, "it stands");
    rack.put::<Host>("lab-1", Spec { labels: [("row".into(), "4".into())].into(), ..testing::host(1) });
    rack.run_due().await;
    assert_eq!(rack.phase::<Host>(id), "quarantined", "a new label mends nothing");
    rack.apply_again(id);
    rack.run_due().await;
    assert_eq!(rack.phase::<Host>(id), "available");
    assert_eq!(health(&rack, id, "Quarantined"), Some(Health::Good));
    rack.go_on(Duration::from_secs(24 * 3600)).await;
    assert_eq!(rack.phase::<Host>(id), "available", "what was cleared stays cleared");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_carries_a_machine_waits_for_it_and_is_then_forgotten() {
    let (rack, id) = enrolled().await;
    let machine = rack.put::<Machine>("web-1", machine("lab-1"));
    assert_eq!(rack.settle(machine).await, "ready");
    rack.run_due().await;
    assert_eq!(rack.get::<Host>(id).status.machine.as_deref(), Some("web-1"));
    rack.delete(id);
    rack.go_on(Duration::from_secs(24 * 3600)).await;
    let host = rack.get::<Host>(id);
    assert_eq!(host.state.phase(), "leaving");
    assert_eq!(host.progress.waiting_for.as_deref(), Some("machine web-1 to let go of it"));
    assert!(!rack.bmc("lab-1").calls().contains(&Call::Forget));
    rack.bmc("lab-1").break_down(Some(Call::Forget), Fault::Busy, Times::Once);
    rack.delete(machine);
    rack.settle(machine).await;
    rack.go_on(Duration::from_secs(60)).await;
    assert!(rack.is_gone(id));
    let forgotten = rack.bmc("lab-1").calls().iter().filter(|call| **call == Call::Forget).count();
    assert_eq!(forgotten, 2, "the long wait for its machine did not use up the driver's patience");
}

#[tokio::test(start_paused = true)]
async fn a_host_is_left_as_it_is_or_switched_off_first_as_was_asked() {
    for (on_destroy, power) in [(OnDestroy::Forget, Power::On), (OnDestroy::PowerOff, Power::Off)] {
        let (rack, id) = enrolled().await;
        rack.put::<Host>("lab-1", Spec { on_destroy, ..testing::host(1) });
        rack.bmc("lab-1").change(|seen| seen.power = Power::On);
        rack.delete(id);
        rack.go_on(Duration::from_secs(10)).await;
        assert!(rack.is_gone(id), "{on_destroy:?}");
        assert_eq!(rack.bmc("lab-1").seen().power, power);
        assert_eq!(rack.bmc("lab-1").calls().last(), Some(&Call::Forget));
    }
}

fn resides(line: Line, number: u8) -> Body {
    let system = System { os: Some("Debian GNU/Linux 12 (bookworm)".into()), ..System::default() };
    Body::Resident {
        line,
        system: Box::new(system),
        inventory: Box::new(testing::inventory(number)),
        written: Default::default(),
    }
}

fn adopted() -> Spec {
    Spec { driver: Driver::None, on_destroy: OnDestroy::Forget, protected: true, ..testing::host(1) }
}

#[tokio::test(start_paused = true)]
async fn an_adopted_host_shows_its_agent_and_is_never_switched_or_given_away() {
    let rack = Rack::default();
    let id = rack.put::<Host>("lab-1", Spec { protected: false, ..adopted() });
    rack.run_due().await;
    assert_eq!(rack.phase::<Host>(id), "available");
    assert_eq!(health(&rack, id, "Resident"), Some(Health::Bad), "none was ever heard");
    assert_eq!(health(&rack, id, "Reachable"), None, "there is nothing to reach");
    rack.observe(id, Source::Resident, resides(Line::Open, 1));
    rack.run_due().await;
    let status = rack.get::<Host>(id).status;
    assert_eq!(health(&rack, id, "Resident"), Some(Health::Good));
    assert_eq!(health(&rack, id, "IdentityVerified"), Some(Health::Good));
    assert_eq!(status.inventory, Some(testing::inventory(1)));
    let resident = status.resident.expect("its agent");
    assert_eq!(resident.system.os.as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
    // A server that died with the line open leaves no word; in time that is seen.
    rack.go_on(STALE + Duration::from_secs(3600)).await;
    assert_eq!(health(&rack, id, "Resident"), Some(Health::Bad));
    rack.observe(id, Source::Resident, resides(Line::Open, 2));
    rack.run_due().await;
    assert_eq!(health(&rack, id, "IdentityVerified"), Some(Health::Bad), "another box than was adopted");
    assert_eq!(rack.get::<Host>(id).status.inventory, Some(testing::inventory(1)), "its word is not taken");
    let web = rack.put::<Machine>("web-1", machine("lab-1"));
    assert_eq!(rack.settle(web).await, "failed");
    let failure = rack.get::<Machine>(web).progress.failure.expect("a failure");
    assert!(failure.next.contains("redfish, ipmi or manual"), "{failure}");
    assert!(rack.bmc("lab-1").calls().iter().all(|call| *call == Call::Observe), "nothing is switched");
    rack.delete(web);
    rack.settle(web).await;
    rack.delete(id);
    rack.go_on(Duration::from_secs(10)).await;
    assert!(rack.is_gone(id));
    let others = rack.bmc("lab-1").calls().into_iter().filter(|call| *call != Call::Observe);
    assert_eq!(others.collect::<Vec<_>>(), [Call::Forget], "it is forgotten, and nothing else");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_gone_says_nothing_of_a_host_that_has_a_driver() {
    let (rack, id) = enrolled().await;
    rack.observe(id, Source::Resident, resides(Line::Open, 1));
    rack.run_due().await;
    assert_eq!(health(&rack, id, "Resident"), Some(Health::Good));
    rack.store().now += Duration::from_secs(1);
    rack.observe(id, Source::Resident, resides(Line::Closed, 1));
    rack.run_due().await;
    assert_eq!(health(&rack, id, "Resident"), None, "its system may have been written over");
    assert_eq!(rack.get::<Host>(id).status.resident, None);
    assert_eq!(health(&rack, id, "Reachable"), Some(Health::Good));
}

#[tokio::test(start_paused = true)]
async fn a_bmc_that_is_dead_or_lies_holds_up_the_destruction_for_a_while_only() {
    for (call, fault) in [
        (None, Fault::Silent),
        (None, Fault::Refuse),
        (Some(Call::Power(Power::Off)), Fault::Lie),
        (Some(Call::Forget), Fault::Broken),
    ] {
        let (rack, id) = enrolled().await;
        rack.put::<Host>("lab-1", Spec { on_destroy: OnDestroy::PowerOff, ..testing::host(1) });
        rack.bmc("lab-1").change(|seen| seen.power = Power::On);
        rack.run_due().await;
        rack.bmc("lab-1").break_down(call, fault, Times::Forever);
        rack.delete(id);
        rack.go_on(Duration::from_secs(60)).await;
        assert!(!rack.is_gone(id), "{call:?} {fault:?}");
        rack.go_on(Duration::from_secs(600)).await;
        assert!(rack.is_gone(id), "{call:?} {fault:?}");
        let said =
            |effect: &Effect| matches!(effect, Effect::Note { text } if text.contains("without a goodbye"));
        assert!(rack.store().effects.iter().any(said), "{call:?} {fault:?}");
    }
}

fn audit_error() -> impl Strategy<Value = (Option<Call>, Fault)> {
    let fault =
        prop::sample::select(vec![Fault::Refuse, Fault::Silent, Fault::Broken, Fault::Busy, Fault::Hang]);
    (prop::sample::select(vec![None, Some(Call::Observe)]), fault)
}

#[test]
fn ten_thousand_audits_that_fail_start_nothing() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let (rack, id) = enrolled().await;
        let machine = rack.put::<Machine>("web-1", machine("lab-1"));
        assert_eq!(rack.settle(machine).await, "ready");
        rack.go_on(Duration::from_secs(60)).await;
        let (before, effects) = (rack.machine(machine), rack.store().effects.len());
        let calls = rack.bmc("lab-1").calls().len();
        for _ in 0..10_000 {
            let (call, fault) = audit_error().new_tree(&mut runner).expect("one").current();
            rack.bmc("lab-1").mend();
            rack.bmc("lab-1").break_down(call, fault, Times::Once);
            rack.store().now += Duration::from_secs(601);
            rack.step(id).await;
            assert_eq!(rack.phase::<Host>(id), "available", "{call:?} {fault:?}");
            assert_eq!(health(&rack, id, "Reachable"), Some(Health::Bad), "{call:?} {fault:?}");
            assert!(rack.get::<Host>(id).progress.failure.is_none());
        }
        assert_eq!(rack.store().effects.len(), effects, "nothing but its status");
        assert_eq!(rack.machine(machine), before, "its machine does not notice");
        let later = rack.bmc("lab-1").calls().split_off(calls);
        assert_eq!(later, vec![Call::Observe; 10_000], "nothing is switched");
    });
}
