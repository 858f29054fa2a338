//! The scripted BMC passes the suite that every driver passes, and breaks as it is told.

use underlay_core::bmc::{Bmc, Error, MediaUrl, Power, Target};

use super::{Call, Fake, Fault, Times};
use crate::bmc::conformance;

#[tokio::test]
async fn it_passes_the_conformance_suite() {
    conformance::run(&Fake::default(), conformance::Patience::Never).await;
    let (fake, url) = (Fake::default(), MediaUrl("http://10.0.0.1/v1/media/x.iso".to_owned().into()));
    conformance::virtual_media(&fake, &url, || fake.image()).await;
}

#[tokio::test]
async fn a_fault_strikes_as_often_as_it_was_told_and_every_call_is_logged() {
    let fake = Fake::default();
    fake.break_down(Some(Call::Power(Power::On)), Fault::Busy, Times::Once);
    assert!(matches!(fake.ensure_power(Power::On).await, Err(Error::Busy { .. })));
    assert_eq!(fake.seen().power, Power::Off);
    fake.ensure_power(Power::On).await.expect("the fault is spent");
    fake.break_down(None, Fault::Silent, Times::Forever);
    for _ in 0..3 {
        assert!(matches!(fake.observe().await, Err(Error::Unreachable { .. })));
    }
    fake.mend();
    assert_eq!(fake.observe().await.expect("mended").power, Power::On);
    let on = Call::Power(Power::On);
    assert_eq!(fake.calls(), [on, on, Call::Observe, Call::Observe, Call::Observe, Call::Observe]);
}

#[tokio::test]
async fn a_lie_is_told_by_what_is_observed_afterwards() {
    let fake = Fake::default();
    fake.break_down(Some(Call::Power(Power::On)), Fault::Lie, Times::Forever);
    fake.ensure_power(Power::On).await.expect("it says yes");
    assert_eq!(fake.observe().await.expect("it answers").power, Power::Off);
    assert_eq!(fake.boots(), []);
}

#[tokio::test]
async fn one_network_boot_is_spent_by_one_power_on() {
    let fake = Fake::default();
    fake.ensure_next_boot(Target::NetworkOnce).await.expect("taken");
    for power in [Power::On, Power::On, Power::Off, Power::On] {
        fake.ensure_power(power).await.expect("switched");
    }
    assert_eq!(fake.boots(), [Target::NetworkOnce, Target::Disk]);
}
