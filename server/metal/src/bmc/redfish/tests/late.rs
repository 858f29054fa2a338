//! BMCs that show what was: the power state from before a reset, and a boot source that is gone when it is needed.

use std::time::Duration;

use super::*;
use crate::bmc::redfish::quirks::Quirks;

const SLOW: Quirks = Quirks { settle: Duration::from_secs(20), ..quirks::STANDARD };

async fn slow() -> (Service, Redfish) {
    let service = Service::start().await;
    let driver = driver(&service.address).of_make(&SLOW);
    (service, driver)
}

#[tokio::test]
async fn the_old_power_state_is_no_answer_and_nothing_is_done_twice_for_it() {
    let (service, driver) = slow().await;
    driver.ensure_next_boot(Target::NetworkOnce).await.expect("set");
    driver.ensure_power(Power::On).await.expect("accepted");
    service.state().shows = Some("Off".into());
    let patches = service.count(&Method::PATCH, SYSTEM);
    assert_eq!(driver.observe().await.expect("it answers").power, Power::Unknown);
    driver.ensure_power(Power::On).await.expect("it was accepted already");
    driver.ensure_next_boot(Target::NetworkOnce).await.expect("it may have been used up by now");
    assert_eq!(service.count(&Method::POST, RESET), 1, "switched once");
    assert_eq!(service.count(&Method::PATCH, SYSTEM), patches, "it would start from the network twice");
    let busy = driver.ensure_power(Power::Off).await;
    assert!(matches!(busy, Err(Error::Busy { .. })), "off would be taken for so already: {busy:?}");
    driver.ensure_next_boot(Target::Disk).await.expect("something else is something else");
    assert_eq!(service.state().boot_target, "Hdd");
    service.state().shows = None;
    assert_eq!(driver.observe().await.expect("it answers").power, Power::On);
    // Once it is seen to be on, off is off.
    service.state().shows = Some("Off".into());
    assert_eq!(driver.observe().await.expect("it answers").power, Power::Off);
}

#[tokio::test]
async fn a_bmc_that_goes_on_showing_it_is_believed_when_the_time_is_over() {
    let (service, driver) = slow().await;
    driver.ensure_power(Power::On).await.expect("accepted");
    service.state().shows = Some("Off".into());
    assert_eq!(driver.observe().await.expect("it answers").power, Power::Unknown);
    tokio::time::pause();
    tokio::time::advance(SLOW.settle).await;
    tokio::time::resume();
    assert_eq!(driver.observe().await.expect("it answers").power, Power::Off);
    driver.ensure_power(Power::On).await.expect("accepted");
    assert_eq!(service.count(&Method::POST, RESET), 2);
}

#[tokio::test]
async fn a_conflict_with_what_is_shown_is_asked_about_again() {
    let service = Service::start().await;
    service.state().shows = Some("Off".into());
    service.answer(Method::POST, RESET, StatusCode::CONFLICT, "");
    let busy = driver(&service.address).ensure_power(Power::On).await;
    assert!(matches!(busy, Err(Error::Busy { .. })), "{busy:?}");
}

#[tokio::test]
async fn a_boot_source_that_is_lost_before_the_power_comes_on_is_set_again() {
    let (service, driver) = slow().await;
    service.state().forgets = 1;
    driver.ensure_next_boot(Target::NetworkOnce).await.expect("set");
    driver.ensure_power(Power::On).await.expect("accepted");
    assert_eq!(service.count(&Method::PATCH, SYSTEM), 2);
    assert_eq!(service.count(&Method::POST, RESET), 1);
    assert_eq!(service.state().boot_target, "Pxe");
}

#[tokio::test]
async fn one_that_is_lost_every_time_is_an_error_and_the_host_stays_off() {
    let (service, driver) = slow().await;
    service.state().forgets = u32::MAX;
    driver.ensure_next_boot(Target::NetworkOnce).await.expect("set");
    let error = driver.ensure_power(Power::On).await.expect_err("it would start its disk");
    assert!(matches!(&error, Error::Nonsense { why, .. } if why.contains("lost")), "{error:?}");
    assert_eq!(service.count(&Method::POST, RESET), 0);
    assert_eq!(service.state().power, "Off");
}

#[tokio::test]
async fn whoever_switches_it_on_long_after_means_its_disk() {
    let (service, driver) = slow().await;
    driver.ensure_next_boot(Target::NetworkOnce).await.expect("set");
    service.state().boot_enabled = "Disabled".into();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(301)).await;
    tokio::time::resume();
    driver.ensure_power(Power::On).await.expect("accepted");
    assert_eq!(service.state().boot_enabled, "Disabled");
}
