//! Sessions: as few as can be, none left behind, and HTTP Basic where there is no room for one.

use super::*;

const ENDED: &str = "/redfish/v1/SessionService/Sessions/token-2";

#[tokio::test]
async fn it_is_ended_when_the_host_is_forgotten_and_only_then() {
    let service = Service::start().await;
    let driver = driver(&service.address);
    driver.observe().await.expect("it answers");
    assert_eq!(service.count(&Method::DELETE, ENDED), 0);
    driver.forget().await.expect("it is forgotten");
    assert_eq!(service.count(&Method::DELETE, ENDED), 1);
    driver.log_out().await;
    assert_eq!(service.count(&Method::DELETE, ENDED), 1, "there is none any more");
    driver.observe().await.expect("another one is opened");
    assert_eq!(service.count(&Method::POST, SESSIONS), 2);
}

#[tokio::test]
async fn forgetting_is_not_held_up_by_a_bmc_that_has_gone() {
    let service = Service::start().await;
    let driver = driver(&service.address);
    driver.observe().await.expect("it answers");
    drop(service);
    driver.forget().await.expect("it is forgotten all the same");
}

#[tokio::test]
async fn where_there_is_no_room_basic_serves_and_a_session_is_asked_for_again_later() {
    for full in [400, 429, 503, 507] {
        let service = Service::start().await;
        service.state().full = Some(StatusCode::from_u16(full).expect("a status"));
        service.state().basic_too = true;
        let driver = driver(&service.address);
        for _ in 0..3 {
            driver.observe().await.expect("it answers to Basic");
        }
        assert_eq!(service.count(&Method::POST, SESSIONS), 1, "{full}: not at every request");
        driver.forget().await.expect("there is nothing to end");
        service.state().full = None;
        tokio::time::pause();
        tokio::time::advance(std::time::Duration::from_secs(601)).await;
        tokio::time::resume();
        driver.observe().await.expect("it answers");
        assert_eq!(service.count(&Method::POST, SESSIONS), 2, "{full}: there is room now");
    }
}

#[tokio::test]
async fn where_there_is_no_room_and_no_basic_the_password_is_not_blamed() {
    let service = Service::start().await;
    service.state().full = Some(StatusCode::SERVICE_UNAVAILABLE);
    let driver = driver(&service.address);
    let error = driver.observe().await.expect_err("there is no way in");
    assert!(matches!(error, Error::Busy { .. }) && error.to_string().contains("sessions"), "{error:?}");
    service.state().full = None;
    driver.observe().await.expect("there is room now");
}

#[tokio::test]
async fn a_bmc_that_refuses_its_own_token_is_asked_twice_and_no_more() {
    let service = Service::start().await;
    service.answer(Method::GET, "/redfish/v1/Systems", StatusCode::UNAUTHORIZED, "");
    let error = driver(&service.address).observe().await.expect_err("it refuses");
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert_eq!(service.count(&Method::GET, "/redfish/v1/Systems"), 2);
    assert_eq!(service.count(&Method::POST, SESSIONS), 2, "accounts are locked after a few tries");
}

#[tokio::test]
async fn one_that_says_when_to_come_back_is_asked_again_in_the_same_call_for_as_long_as_its_table_says() {
    let service = Service::start().await;
    let driver = driver(&service.address).of_make(&quirks::IDRAC);
    service.state().busy = (2, Some(0));
    driver.ensure_power(Power::On).await.expect("the third time");
    assert_eq!(service.count(&Method::POST, RESET), 3);
    assert_eq!(service.state().power, "On");
    // Longer than it is waited for: the queue is for others meanwhile.
    service.state().busy = (1, Some(300));
    let busy = driver.ensure_power(Power::Off).await;
    assert!(matches!(busy, Err(Error::Busy { .. })), "{busy:?}");
    assert_eq!(service.count(&Method::POST, RESET), 4);
    service.state().busy = (1, None);
    let busy = driver.ensure_power(Power::Off).await;
    assert!(matches!(busy, Err(Error::Busy { .. })), "it does not say when: {busy:?}");
}
