//! Ways to boot: virtual media without a MAC and without a plan on any network, and what is tried next where a way will
//! not do or no agent comes by it.

use std::time::Duration;

use underlay_core::{
    Effect, Kind, ObjectId, State as _,
    bmc::{Power, Target},
    host::{self, BootMethod, Host},
    machine::{Machine, State},
};

use crate::{
    bmc::fake::{Call, Fault, Medium, Times},
    testing::{self, Commits, Habit, Rack, machine},
};

const INSERT: Call = Call::Media(Medium::In);
const EJECT: Call = Call::Media(Medium::Out);

/// A rack with one host that boots in these ways.
async fn rack(methods: &[BootMethod]) -> Rack {
    let rack = Rack::with_hosts(1).await;
    let boot = host::Boot { methods: methods.to_vec(), ..host::Boot::default() };
    rack.put::<Host>("lab-1", host::Spec { boot, ..testing::host(1) });
    rack.run_due().await;
    rack
}

fn begin(rack: &Rack) -> ObjectId {
    rack.put::<Machine>("web-1", machine("lab-1"))
}

fn notes(rack: &Rack) -> Vec<String> {
    let store = rack.store();
    let text = |effect: &Effect| if let Effect::Note { text } = effect { Some(text.clone()) } else { None };
    store.effects.iter().filter_map(text).collect()
}

/// Of all that was put, the plans of NICs.
fn plans(rack: &Rack) -> usize {
    rack.store().effects.iter().filter(|effect| matches!(effect, Effect::PutBootPlan { .. })).count()
}

#[tokio::test(start_paused = true)]
async fn a_host_is_imaged_by_virtual_media_and_its_drive_is_empty_again() {
    let rack = rack(&[BootMethod::VirtualMedia]).await;
    let id = begin(&rack);
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(rack.bmc("lab-1").boots(), [Target::MediaOnce, Target::Disk], "it does not restart by itself");
    assert_eq!((rack.bmc("lab-1").image(), plans(&rack)), (None, 0), "its token is on no network");
    let calls: Vec<_> = rack.bmc("lab-1").calls().into_iter().filter(|call| *call != Call::Observe).collect();
    let (on, off) = (Call::Power(Power::On), Call::Power(Power::Off));
    let disk = Call::NextBoot(Target::Disk);
    let expected = [INSERT, Call::NextBoot(Target::MediaOnce), on, off, disk, EJECT, on];
    assert_eq!(calls, expected);
    rack.delete(id);
    assert_eq!(rack.settle(id).await, "gone");
    assert!(rack.store().serves_nothing());
}

#[tokio::test(start_paused = true)]
async fn virtual_media_need_no_mac() {
    for (methods, phase) in [
        (vec![BootMethod::VirtualMedia], "ready"),
        // It is not known which NIC to answer.
        (vec![BootMethod::Pxe], "failed"),
        (vec![BootMethod::Pxe, BootMethod::VirtualMedia], "ready"),
    ] {
        let rack = Rack::default();
        rack.put_image('a');
        let mut spec = testing::host(1);
        spec.identity.boot_mac = None;
        spec.boot.methods = methods.clone();
        rack.put::<Host>("lab-1", spec);
        rack.boxes.insert("lab-1", 1);
        rack.run_due().await;
        let id = begin(&rack);
        assert_eq!(rack.settle(id).await, phase, "{methods:?}");
        assert_eq!(plans(&rack), 0);
        let notes = notes(&rack).join("\n");
        let fell_back = notes.contains("is not booted by pxe: no MAC address is known");
        assert_eq!(fell_back && notes.contains("; trying virtual_media"), methods.len() == 2, "{notes}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bmc_without_a_licence_is_booted_over_the_network() {
    let rack = rack(&[BootMethod::VirtualMedia, BootMethod::Pxe]).await;
    rack.bmc("lab-1").break_down(Some(INSERT), Fault::Unable, Times::Forever);
    let id = begin(&rack);
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(rack.bmc("lab-1").boots(), [Target::NetworkOnce]);
    assert_eq!(rack.boxes.with("lab-1", |one| one.writes.len()), 1);
    let notes = notes(&rack).join("\n");
    let said = "host lab-1 is not booted by virtual_media: fake-bmc cannot do that: 403 Forbidden: no licence; trying pxe";
    assert!(notes.contains(said), "{notes}");
}

#[tokio::test(start_paused = true)]
async fn where_no_agent_comes_the_next_way_is_tried_and_the_last_one_fails() {
    let rack = rack(&[BootMethod::Http, BootMethod::VirtualMedia, BootMethod::Pxe]).await;
    rack.boxes.with("lab-1", |one| one.habit = Habit::NoAgent);
    let id = begin(&rack);
    assert_eq!(rack.settle(id).await, "failed");
    assert_eq!(rack.bmc("lab-1").boots(), [Target::HttpOnce, Target::MediaOnce, Target::NetworkOnce]);
    let notes = notes(&rack).join("\n");
    for said in [
        "no agent by http in 1200 s (last seen: fetched its boot script",
        "; trying virtual_media",
        "; trying pxe",
    ] {
        assert!(notes.contains(said), "{said}: {notes}");
    }
    let failed = rack.machine(id);
    let State::Failed { run: Some(run), .. } = &failed.state else { panic!("{:?}", failed.state) };
    assert_eq!((run.attempt, failed.status.epoch), (2, run.epoch));
    assert_eq!(run.target.epoch, run.epoch);
    assert_eq!(rack.bmc("lab-1").image(), None);
    assert!(rack.store().serves_nothing());

    // Whoever asks again begins with the first.
    rack.boxes.with("lab-1", |one| one.habit = Habit::Good);
    rack.apply_again(id);
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(rack.bmc("lab-1").boots().last(), Some(&Target::HttpOnce));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_dies_between_two_steps_switches_nothing_twice() {
    let mut rack = rack(&[BootMethod::VirtualMedia]).await;
    rack.commits = Commits::SecondTime;
    let id = begin(&rack);
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(rack.bmc("lab-1").boots(), [Target::MediaOnce, Target::Disk]);
    assert_eq!(rack.boxes.with("lab-1", |one| one.writes.len()), 1);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_comes_late_by_the_way_before_is_turned_away() {
    let rack = rack(&[BootMethod::Pxe, BootMethod::VirtualMedia]).await;
    rack.boxes.with("lab-1", |one| one.habit = Habit::NoAgent);
    let id = begin(&rack);
    rack.go_on(Duration::from_secs(60)).await;
    assert_eq!(rack.machine(id).state.phase(), "booting");
    let (first, token) = {
        let store = rack.store();
        let grant = store.tokens.first().expect("a token").clone();
        (grant.epoch, grant.digest)
    };
    rack.go_on(Duration::from_secs(1300)).await;
    let now = rack.machine(id);
    let run = now.state.run().expect("a deployment");
    assert!(run.attempt == 1 && run.epoch > first, "{run:?}");
    assert!(rack.redeem(&token, underlay_core::agent::Purpose::Agent).is_none(), "its token is void");
}

#[tokio::test(start_paused = true)]
async fn a_drive_that_is_not_emptied_holds_up_nothing() {
    for fault in [Fault::Unable, Fault::Busy, Fault::Broken, Fault::Silent, Fault::Refuse] {
        let rack = rack(&[BootMethod::VirtualMedia]).await;
        rack.bmc("lab-1").break_down(Some(EJECT), fault, Times::Forever);
        let id = begin(&rack);
        assert_eq!(rack.settle(id).await, "ready", "{fault:?}");
        rack.delete(id);
        assert_eq!(rack.settle(id).await, "gone", "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_drive_that_is_busy_is_emptied_when_it_no_longer_is() {
    let rack = rack(&[BootMethod::VirtualMedia]).await;
    for call in [INSERT, EJECT] {
        rack.bmc("lab-1").break_down(Some(call), Fault::Busy, Times::Once);
    }
    let id = begin(&rack);
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(rack.bmc("lab-1").image(), None);
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_ends_badly_leaves_no_image_of_ours_in_the_drive() {
    for habit in [Habit::NoAgent, Habit::FailsAfter, Habit::Silent] {
        let rack = rack(&[BootMethod::VirtualMedia]).await;
        rack.boxes.with("lab-1", |one| one.habit = habit);
        let id = begin(&rack);
        assert_eq!(rack.settle(id).await, "failed", "{habit:?}");
        assert_eq!(rack.bmc("lab-1").image(), None, "{habit:?}");
        assert!(rack.bmc("lab-1").calls().contains(&INSERT), "{habit:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_drive_that_stays_broken_is_passed_over_when_patience_is() {
    let rack = rack(&[BootMethod::VirtualMedia, BootMethod::Pxe]).await;
    rack.bmc("lab-1").break_down(Some(INSERT), Fault::Broken, Times::Forever);
    let id = begin(&rack);
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(rack.bmc("lab-1").boots(), [Target::NetworkOnce]);

    // As the only way it is what the deployment fails with.
    let rack = self::rack(&[BootMethod::VirtualMedia]).await;
    rack.bmc("lab-1").break_down(Some(INSERT), Fault::Broken, Times::Forever);
    let id = begin(&rack);
    assert_eq!(rack.settle(id).await, "failed");
    let failure = rack.machine(id).progress.failure.expect("a failure");
    assert!(failure.what.contains("setting its next boot to its virtual media"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn whoever_wants_no_virtual_media_is_not_asked_about_them() {
    let rack = rack(&[BootMethod::Pxe]).await;
    let id = begin(&rack);
    assert_eq!(rack.settle(id).await, "ready");
    rack.delete(id);
    assert_eq!(rack.settle(id).await, "gone");
    let calls = rack.bmc("lab-1").calls();
    assert!(!calls.iter().any(|call| matches!(call, Call::Media(_))), "{calls:?}");
    assert!(rack.find(Kind::Host, "lab-1").is_some());
}
