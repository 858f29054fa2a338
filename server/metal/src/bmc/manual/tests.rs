//! The driver against a webhook, and with nobody but people.

mod webhook;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;
use underlay_core::{
    ErrorKind, Key,
    bmc::{Bmc as _, CALL_LIMIT, Error, Power, Target},
    host::{self, Firmware, Identity},
};

use self::webhook::Webhook;
use super::{super::Login, Known, Manual};
use crate::bmc::conformance;

const PASSWORD: &str = "of-the-webhook";

fn key() -> Key {
    Key { site: Default::default(), owner: Default::default(), name: "r1".parse().expect("a name") }
}

fn driver_at(webhook: Option<String>, login: Option<Login>) -> Manual {
    let spec = host::Manual { webhook, credential: login.as_ref().map(|_| "hook".into()) };
    let identity = Identity { serial: Some("SN-1".into()), ..Identity::default() };
    Manual::new(&spec, login, &key(), &identity, Firmware::Uefi).expect("it reads")
}

fn driver(webhook: &Webhook) -> Manual {
    driver_at(Some(webhook.url()), Some(Login { user: "us".into(), password: PASSWORD.into() }))
}

#[tokio::test]
async fn it_passes_the_conformance_suite_with_a_webhook_that_knows_its_host() {
    let webhook = Webhook::start().await;
    conformance::run(&driver(&webhook), conformance::Patience::Never).await;
    assert_eq!(webhook.told().authorization.as_deref(), Some("Basic dXM6b2YtdGhlLXdlYmhvb2s="));
    let nobody = driver_at(Some(webhook.url()), None);
    nobody.observe().await.expect("it answers");
    assert_eq!(webhook.told().authorization, None);
}

#[tokio::test]
async fn each_wish_has_the_body_that_is_documented() {
    let webhook = Webhook::start().await;
    let driver = driver(&webhook);
    driver.observe().await.expect("it answers");
    driver.ensure_next_boot(Target::NetworkOnce).await.expect("it is accepted");
    driver.ensure_power(Power::On).await.expect("it is accepted");
    driver.forget().await.expect("it is accepted");
    let about = |more: serde_json::Value| {
        let mut body = json!({
            "site": "default", "owner": "default", "host": "r1",
            "identity": { "boot_mac": null, "serial": "SN-1", "uuid": null },
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let expected = [
        about(json!({ "wish": "observe" })),
        about(json!({ "wish": "next_boot", "target": "network", "mode": "uefi" })),
        about(json!({ "wish": "power", "target": "on" })),
        about(json!({ "wish": "forget" })),
    ];
    assert_eq!(webhook.told().bodies, expected);
}

#[tokio::test]
async fn a_wish_that_was_accepted_is_not_told_every_other_second() {
    let webhook = Webhook::start().await;
    webhook.answers(202, "");
    let driver = driver(&webhook);
    for _ in 0..3 {
        assert_eq!(driver.observe().await.expect("it answers").power, Power::Unknown, "it does not say");
        driver.ensure_power(Power::Off).await.expect("it is accepted");
    }
    assert_eq!(webhook.wishes().len(), 1);
    driver.ensure_power(Power::On).await.expect("another wish");
    driver.ensure_power(Power::Off).await.expect("and back");
    assert_eq!(webhook.wishes().len(), 3, "the last word counts");
    webhook.answers(200, r#"{"power": "off"}"#);
    driver.observe().await.expect("it has come true");
    webhook.answers(200, r#"{"power": "on"}"#);
    driver.observe().await.expect("somebody switched it on");
    driver.ensure_power(Power::Off).await.expect("it is told again");
    assert_eq!(webhook.wishes().len(), 4);
    webhook.answers(503, "");
    driver.ensure_power(Power::On).await.expect_err("it is not accepted");
    driver.ensure_power(Power::On).await.expect_err("and so it is told again");
    assert_eq!(webhook.wishes().len(), 6);
}

#[tokio::test]
async fn each_status_is_an_error_of_its_kind_and_shows_no_secret() {
    let webhook = Webhook::start().await;
    for (status, kind, name) in [
        (401, ErrorKind::Permanent, "Refused"),
        (403, ErrorKind::Permanent, "Refused"),
        (404, ErrorKind::Permanent, "Unsupported"),
        (409, ErrorKind::Transient, "Busy"),
        (429, ErrorKind::Transient, "Busy"),
        (503, ErrorKind::Transient, "Busy"),
        (500, ErrorKind::Transient, "Nonsense"),
        (302, ErrorKind::Transient, "Nonsense"),
        (307, ErrorKind::Transient, "Nonsense"),
    ] {
        webhook.answers(status, "of-the-webhook of-the-url");
        let error = driver(&webhook).ensure_power(Power::On).await.expect_err("it says no");
        assert_eq!(error.kind(), kind, "{status}: {error:?}");
        let text = format!("{error:?}");
        assert!(text.starts_with(name), "{status}: {text}");
        assert!(!text.contains(PASSWORD) && !text.contains("of-the-url"), "{text}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_login_goes_nowhere_else() {
    let (webhook, elsewhere) = (Webhook::start().await, Webhook::start().await);
    for status in [301, 302, 303, 307, 308] {
        webhook.answers(status, &elsewhere.url());
        driver(&webhook).observe().await.expect_err("it is not followed");
    }
    assert!(elsewhere.told().bodies.is_empty());
}

#[tokio::test]
async fn an_answer_without_end_or_sense_is_nonsense() {
    let webhook = Webhook::start().await;
    let long = format!("{{\"power\": \"on\", \"x\": \"{}\"}}", "x".repeat(20 << 10));
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    for body in [long.as_str(), deep.as_str(), "on", "{\"power\": \"maybe\"}", "{\"power\": 1}", "{\"power\""]
    {
        webhook.answers(200, body);
        let error = driver(&webhook).observe().await.expect_err("it makes no sense");
        assert!(matches!(error, Error::Nonsense { .. }), "{error:?}");
        assert!(error.to_string().len() < 500, "{error}");
    }
    for (body, power) in [("", Power::Unknown), (" \n", Power::Unknown), ("{}", Power::Unknown)] {
        webhook.answers(204, body);
        assert_eq!(driver(&webhook).observe().await.expect("it accepts").power, power);
    }
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_hangs_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let began = tokio::time::Instant::now();
    let error = driver_at(Some(url), None).observe().await.expect_err("nobody answers");
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(began.elapsed() < CALL_LIMIT, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_webhook_that_only_takes_wishes_leaves_the_rest_to_people() {
    let webhook = Webhook::start().await;
    webhook.answers(405, "");
    let driver = driver(&webhook);
    driver.knowing(Known { confirmed: Some((Power::On, Timestamp::UNIX_EPOCH)), heard_of: None });
    assert_eq!(driver.observe().await.expect("it need not answer").power, Power::On);
    driver.forget().await.expect("nor be told goodbye");
}

#[tokio::test]
async fn without_a_webhook_only_people_know() {
    let driver = driver_at(None, None);
    assert_eq!(driver.observe().await.expect("nobody is asked").power, Power::Unknown);
    assert!(matches!(driver.ensure_power(Power::Unknown).await, Err(Error::Invalid(_))));
    let said = Timestamp::UNIX_EPOCH;
    for (confirmed, heard, power) in [
        (Some(Power::Off), None, Power::Off),
        (Some(Power::Off), Some(-1), Power::Off),
        (Some(Power::Off), Some(1), Power::On),
        (Some(Power::On), Some(-1), Power::On),
        (Some(Power::On), Some(1), Power::On),
        (None, Some(1), Power::Unknown),
    ] {
        let heard_of = heard.map(|seconds| said + jiff::SignedDuration::from_secs(seconds));
        driver.knowing(Known { confirmed: confirmed.map(|power| (power, said)), heard_of });
        driver.ensure_power(Power::Off).await.expect("somebody reads it elsewhere");
        driver.ensure_next_boot(Target::NetworkOnce).await.expect("somebody reads it elsewhere");
        assert_eq!(driver.observe().await.expect("nobody is asked").power, power, "{confirmed:?} {heard:?}");
    }
    driver.forget().await.expect("nothing was made");
}

proptest! {
    #[test]
    fn whatever_was_heard_a_host_is_off_only_where_that_was_the_last_word(
        power in prop_oneof![Just(Power::On), Just(Power::Off)],
        said in proptest::option::of(0_i64..1000), heard in proptest::option::of(0_i64..1000),
    ) {
        let at = |second: i64| Timestamp::from_second(second).expect("a time");
        let known = Known { confirmed: said.map(|said| (power, at(said))), heard_of: heard.map(at) };
        let is_last = power == Power::Off && said.is_some_and(|said| heard.is_none_or(|heard| heard <= said));
        prop_assert_eq!(known.power() == Power::Off, is_last);
    }
}
