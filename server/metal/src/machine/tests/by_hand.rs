//! Hosts that a person switches: who is waited for is said, and nobody is hurried.

use std::time::Duration;

use underlay_core::{
    ObjectId, State as _,
    bmc::{Bmc as _, Power, Target},
    host::{self, Driver, Host},
    machine::{Machine, State},
    observation::{Body, Source},
};

use crate::{
    bmc::fake::{Call, Fault, Times},
    machine::Patience,
    testing::{self, Rack, machine},
};

const OFF: &str = "somebody to switch host lab-1 off; then: underlay host confirm lab-1 --power off";
const ON: &str = "somebody to switch host lab-1 on, started from the network; then: underlay host confirm lab-1 --power on";

/// A rack whose one host is switched by a person, and a machine on it. Nothing that is asked of the driver does anything.
async fn rack() -> (Rack, ObjectId, ObjectId) {
    let rack = Rack::with_hosts(1).await;
    let driver = Driver::Manual(host::Manual { webhook: None, credential: None });
    let host = rack.put::<Host>("lab-1", host::Spec { driver, ..testing::host(1) });
    rack.bmc("lab-1").change(|seen| seen.power = Power::Unknown);
    ignored(&rack);
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    (rack, host, id)
}

fn ignored(rack: &Rack) {
    for call in [
        Call::Power(Power::On),
        Call::Power(Power::Off),
        Call::NextBoot(Target::NetworkOnce),
        Call::NextBoot(Target::Disk),
    ] {
        rack.bmc("lab-1").break_down(Some(call), Fault::Lie, Times::Forever);
    }
}

/// A person does what was asked, and says so.
async fn done(rack: &Rack, host: ObjectId, power: Power, boot: Target) {
    let bmc = rack.bmc("lab-1");
    bmc.mend();
    bmc.change(|seen| seen.next_boot = Some(boot));
    bmc.ensure_power(power).await.expect("a fake does it");
    ignored(rack);
    let body = Body::Confirmed { power, by: "ops".into(), at: rack.now() };
    rack.observe(host, Source::Person, body);
}

fn waits_for(rack: &Rack, id: ObjectId) -> String {
    rack.machine(id).progress.waiting_for.unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn who_switches_what_is_said_in_full_and_may_take_a_working_day() {
    let (rack, host, id) = rack().await;
    rack.go_on(Duration::from_secs(8 * 3600)).await;
    assert_eq!(waits_for(&rack, id), OFF);
    done(&rack, host, Power::Off, Target::Disk).await;
    rack.go_on(Duration::from_secs(8 * 3600)).await;
    assert_eq!(waits_for(&rack, id), ON);
    let token = rack.store().tokens.first().cloned().expect("its agent will have a token");
    let left = token.expires_at.duration_since(rack.now());
    assert!(left > jiff::SignedDuration::from_hours(1), "which is good when the host comes up: {left}");
    done(&rack, host, Power::On, Target::NetworkOnce).await;
    // The agent's order to leave restarts the host, and that is nobody's work.
    rack.bmc("lab-1").change(|seen| seen.next_boot = Some(Target::Disk));
    assert_eq!(rack.settle(id).await, "ready");

    rack.delete(id);
    rack.go_on(Duration::from_secs(3600)).await;
    assert_eq!(waits_for(&rack, id), OFF);
    done(&rack, host, Power::Off, Target::Disk).await;
    rack.go_on(Duration::from_secs(1)).await;
    assert!(rack.is_gone(id));
}

#[tokio::test(start_paused = true)]
async fn a_person_who_never_comes_is_waited_for_a_day_and_the_host_is_not_to_blame() {
    for switched_off in [false, true] {
        let (rack, host, id) = rack().await;
        if switched_off {
            rack.go_on(Duration::from_secs(60)).await;
            done(&rack, host, Power::Off, Target::Disk).await;
        }
        let patience = Patience::default().person;
        rack.go_on(patience - Duration::from_secs(600)).await;
        assert!(!rack.machine(id).state.is_settled(), "{:?}", rack.machine(id).state);
        rack.go_on(Duration::from_secs(1200)).await;
        let machine = rack.machine(id);
        assert!(matches!(machine.state, State::Failed { .. }), "{:?}", machine.state);
        let failure = machine.progress.failure.expect("a failure");
        assert!(!failure.blames_host, "{failure}");
        assert!(failure.why.contains("in 24 h nobody said"), "{failure}");
        let asked = if switched_off { ON } else { OFF };
        assert!(failure.to_string().contains(asked), "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_program_behind_a_webhook_is_looked_at_often_and_then_seldom() {
    let (rack, _, id) = rack().await;
    let webhook = Some("https://power.example/switch".to_owned());
    let driver = Driver::Manual(host::Manual { webhook, credential: None });
    rack.put::<Host>("lab-1", host::Spec { driver, ..testing::host(1) });
    rack.go_on(Duration::from_secs(5)).await;
    let waits = waits_for(&rack, id);
    assert!(
        waits.starts_with("whoever is behind its webhook, or somebody else, to switch host lab-1 off"),
        "{waits}"
    );
    let looks = async |time| {
        let before =
            rack.bmc("lab-1").calls().iter().filter(|call| **call == Call::Power(Power::Off)).count();
        rack.go_on(Duration::from_secs(time)).await;
        rack.bmc("lab-1").calls().iter().filter(|call| **call == Call::Power(Power::Off)).count() - before
    };
    let (first, later) = (looks(40).await, {
        looks(60).await;
        looks(600).await
    });
    assert!((15..=21).contains(&first), "{first} looks in 40 s");
    assert!((15..=21).contains(&later), "{later} looks in 600 s");
}
