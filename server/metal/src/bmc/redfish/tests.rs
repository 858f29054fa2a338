//! The driver against a scripted Redfish service, hostile replies, and sushy-tools' emulator.

mod account;
mod drives;
mod events;
mod hostile;
mod late;
mod media;
mod service;
mod sessions;
mod sushy;
mod trust;
mod wire;

use reqwest::{Method, StatusCode};
use serde_json::json;
use underlay_core::{
    ErrorKind,
    bmc::{Bmc, Error, Power, Target},
    host::{self, Boot, Firmware, Tls},
};

use self::service::{PASSWORD, Service, Sessions};
use super::{super::Login, Redfish, quirks};
use crate::bmc::conformance;

const SYSTEM: &str = "/redfish/v1/Systems/1";
const RESET: &str = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset";
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";

fn spec(address: &str) -> host::Redfish {
    host::Redfish {
        address: address.into(),
        credential: "bmc".into(),
        tls: Tls::Pin,
        system: None,
        own_password: false,
    }
}

fn login() -> Login {
    Login { user: "root".into(), password: PASSWORD.into() }
}

fn driver(address: &str) -> Redfish {
    let boot = Boot { mode: Firmware::Uefi, ..Boot::default() };
    Redfish::new(&spec(address), &boot, login(), None).expect("the address reads")
}

#[tokio::test]
async fn it_passes_the_conformance_suite_with_sessions_and_without() {
    for sessions in [Sessions::Kept, Sessions::Missing] {
        let service = Service::start().await;
        service.state().sessions = sessions;
        conformance::run(&driver(&service.address), conformance::Patience::Never).await;
    }
}

#[tokio::test]
async fn it_logs_in_once_and_again_when_the_bmc_has_forgotten() {
    let service = Service::start().await;
    let driver = driver(&service.address);
    for _ in 0..3 {
        driver.observe().await.expect("it answers");
    }
    assert_eq!(service.count(&Method::POST, SESSIONS), 1);
    service.state().token = None;
    driver.observe().await.expect("it answers after a second login");
    assert_eq!(service.count(&Method::POST, SESSIONS), 2);
}

#[tokio::test]
async fn a_wrong_password_is_refused_at_once_and_never_shown() {
    let service = Service::start().await;
    let boot = Boot::default();
    let wrong = Login { user: "root".into(), password: "not-the-password".into() };
    let driver = Redfish::new(&spec(&service.address), &boot, wrong, None).expect("the address reads");
    let refused = driver.observe().await.expect_err("the password is wrong");
    assert!(matches!(refused, Error::Refused { .. }), "{refused:?}");
    assert_eq!(service.count(&Method::POST, SESSIONS), 1, "accounts are locked after a few tries");
    assert!(!format!("{refused:?} {refused}").contains("not-the-password"));
}

#[tokio::test]
async fn what_the_bmc_says_is_shown_bounded_on_one_line_and_without_the_password() {
    let service = Service::start().await;
    let message = format!("no\n{PASSWORD} {}", "x".repeat(2000));
    let body = json!({ "error": { "@Message.ExtendedInfo": [{ "Message": message }] } }).to_string();
    service.answer(Method::POST, RESET, StatusCode::BAD_REQUEST, &body);
    let error = driver(&service.address).ensure_power(Power::On).await.expect_err("it says no");
    let text = error.to_string();
    assert!(text.contains("400 Bad Request: no *** xxx"), "{text}");
    assert!(text.len() < 500 && !text.contains(PASSWORD) && !text.contains('\n'), "{text}");
}

#[tokio::test]
async fn each_status_is_an_error_of_its_kind() {
    for (status, kind, name) in [
        (401, ErrorKind::Permanent, "Refused"),
        (403, ErrorKind::Permanent, "Refused"),
        (404, ErrorKind::Transient, "Nonsense"),
        (429, ErrorKind::Transient, "Busy"),
        (500, ErrorKind::Transient, "Nonsense"),
        (503, ErrorKind::Transient, "Busy"),
        (302, ErrorKind::Transient, "Nonsense"),
    ] {
        let service = Service::start().await;
        let status = StatusCode::from_u16(status).expect("a status");
        service.answer(Method::GET, SYSTEM, status, "{}");
        let error = driver(&service.address).observe().await.expect_err("it fails");
        assert_eq!(error.kind(), kind, "{status}: {error:?}");
        assert!(format!("{error:?}").starts_with(name), "{status}: {error:?}");
    }
}

#[tokio::test]
async fn a_bmc_that_is_not_there_is_unreachable() {
    let address = {
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("http://{}", port.local_addr().expect("an address"))
    };
    let error = driver(&address).observe().await.expect_err("nobody listens");
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn the_system_that_is_meant_must_be_clear() {
    let service = Service::start().await;
    service.state().systems = vec!["1".into(), "2".into()];
    let error = driver(&service.address).observe().await.expect_err("there are two");
    assert!(
        matches!(&error, Error::Invalid(why) if why.contains("Systems/1, /redfish/v1/Systems/2")),
        "{error}"
    );
    for (system, found) in [("2", true), ("/redfish/v1/Systems/2/", true), ("3", false)] {
        let spec = host::Redfish { system: Some(system.into()), ..spec(&service.address) };
        let driver = Redfish::new(&spec, &Boot::default(), login(), None).expect("the address reads");
        let seen = driver.observe().await;
        assert_eq!(seen.is_ok(), found, "{system}: {seen:?}");
    }
}

#[tokio::test]
async fn the_box_is_reported_as_the_bmc_knows_it() {
    let service = Service::start().await;
    let seen = driver(&service.address).observe().await.expect("it answers");
    assert_eq!(seen.serial.as_deref(), Some("SN-1"));
    assert_eq!(seen.uuid.as_deref(), Some("6ba7b810-9dad-11d1-80b4-00c04fd430c8"));
    let macs: Vec<_> = seen.macs.iter().map(ToString::to_string).collect();
    assert_eq!(macs, ["02:00:00:00:00:01", "02:00:00:00:00:02"], "each once, an empty one left out");
}

#[tokio::test]
async fn power_between_two_states_is_waited_for() {
    let service = Service::start().await;
    let driver = driver(&service.address);
    service.state().power = "PoweringOn".into();
    driver.ensure_power(Power::On).await.expect("it is on its way");
    assert_eq!(service.count(&Method::POST, RESET), 0);
    service.state().power = "PoweringOff".into();
    let busy = driver.ensure_power(Power::On).await;
    assert!(matches!(busy, Err(Error::Busy { .. })), "{busy:?}");
    assert_eq!(driver.observe().await.expect("it answers").power, Power::Unknown);
}

#[tokio::test]
async fn only_a_reset_that_is_allowed_is_sent() {
    let service = Service::start().await;
    let driver = driver(&service.address);
    service.state().resets = Some(vec!["ForceOn".into(), "PushPowerButton".into()]);
    driver.ensure_power(Power::On).await.expect("ForceOn will do");
    assert_eq!(service.state().last_reset.as_deref(), Some("ForceOn"));
    let error = driver.ensure_power(Power::Off).await.expect_err("there is no ForceOff");
    assert!(error.to_string().contains("ForceOn, PushPowerButton"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Permanent);
}

#[tokio::test]
async fn a_conflict_is_no_error_when_the_power_is_as_wished() {
    let service = Service::start().await;
    service.state().conflicts_after_switching = true;
    driver(&service.address).ensure_power(Power::On).await.expect("it is on all the same");
}

#[tokio::test]
async fn a_lie_about_the_boot_source_is_found_out() {
    let service = Service::start().await;
    service.answer(Method::PATCH, SYSTEM, StatusCode::NO_CONTENT, "");
    let error = driver(&service.address).ensure_next_boot(Target::NetworkOnce).await.expect_err("it lies");
    assert!(matches!(error, Error::Nonsense { .. }), "{error:?}");
}

#[tokio::test]
async fn the_etag_is_sent_read_again_when_stale_and_left_out_when_it_never_fits() {
    let service = Service::start().await;
    let driver = driver(&service.address);
    driver.ensure_next_boot(Target::NetworkOnce).await.expect("set");
    assert!(service.state().if_match.iter().all(Option::is_some));
    service.state().if_match.clear();
    service.state().refuses_etags = true;
    driver.ensure_next_boot(Target::Disk).await.expect("set without");
    let sent: Vec<_> = service.state().if_match.iter().map(Option::is_some).collect();
    assert_eq!(sent, [true, true, false]);
}

#[tokio::test]
async fn the_boot_source_follows_firmware_and_method() {
    for (mode, target, expected) in [
        (Firmware::Uefi, Target::NetworkOnce, ("Pxe", "UEFI")),
        (Firmware::Uefi, Target::HttpOnce, ("UefiHttp", "UEFI")),
        (Firmware::Uefi, Target::MediaOnce, ("Cd", "UEFI")),
        (Firmware::Bios, Target::NetworkOnce, ("Pxe", "Legacy")),
    ] {
        let service = Service::start().await;
        let boot = Boot { mode, ..Boot::default() };
        let driver = Redfish::new(&spec(&service.address), &boot, login(), None).expect("the address reads");
        driver.ensure_next_boot(target).await.expect("set");
        let state = service.state();
        assert_eq!((state.boot_target.as_str(), state.boot_mode.as_str()), expected);
        assert_eq!(state.boot_enabled, "Once");
    }
}

#[tokio::test]
async fn a_once_that_is_reported_as_continuous_is_taken_for_set() {
    let service = Service::start().await;
    service.state().once_is_continuous = true;
    let driver = driver(&service.address);
    driver.ensure_next_boot(Target::NetworkOnce).await.expect("set");
    assert_eq!(driver.observe().await.expect("it answers").next_boot, Some(Target::NetworkOnce));
    driver.ensure_next_boot(Target::Disk).await.expect("set");
    assert_eq!(service.state().boot_target, "Hdd");
}
