//! Replies made to hurt: never a panic, never a hang, never a step off the BMC's own origin.

use proptest::{prelude::*, test_runner::TestRunner};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use underlay_core::bmc::{Bmc, Error, Power, Target};

use super::{RESET, SYSTEM, driver, service::Service};
use crate::testing::corpus;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        Just(json!("/redfish/v1/Systems")),
    ];
    let keys = prop_oneof![
        Just("Members"),
        Just("@odata.id"),
        Just("Systems"),
        Just("Boot"),
        Just("Actions"),
        Just("#ComputerSystem.Reset"),
        Just("target"),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(keys.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

async fn ask_everything(service: &Service) -> [Result<(), Error>; 3] {
    let driver = driver(&service.address);
    [
        driver.observe().await.map(|_| ()),
        driver.ensure_power(Power::On).await,
        driver.ensure_next_boot(Target::NetworkOnce).await,
    ]
}

#[test]
fn any_reply_in_place_of_a_resource_is_an_error_and_never_a_panic() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let service = runtime.block_on(Service::start());
    let bodies = prop_oneof![
        any_json().prop_map(|value| value.to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..200),
    ];
    let paths = prop_oneof![Just("/redfish/v1/"), Just("/redfish/v1/Systems"), Just(super::SESSIONS)];
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 96, failure_persistence: None, ..Default::default() });
    let checked = runner.run(&(paths, bodies), |(path, body)| {
        let body = String::from_utf8_lossy(&body).into_owned();
        let method = if path == super::SESSIONS { Method::POST } else { Method::GET };
        service.answer(method.clone(), path, StatusCode::OK, &body);
        let results = runtime.block_on(ask_everything(&service));
        service.mend(method, path);
        prop_assert!(results.iter().all(Result::is_err), "{path} {body}: {results:?}");
        Ok(())
    });
    checked.expect("every case holds");
}

#[test]
fn any_value_of_a_property_is_taken_or_refused_without_a_panic() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let service = runtime.block_on(Service::start());
    let names = prop::sample::select(vec![
        "PowerState",
        "SerialNumber",
        "UUID",
        "Boot",
        "EthernetInterfaces",
        "Actions",
    ]);
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 96, failure_persistence: None, ..Default::default() });
    let checked = runner.run(&(names, any_json()), |(name, value)| {
        let mut system = json!({
            "PowerState": "Off",
            "Actions": { "#ComputerSystem.Reset": { "target": RESET } },
        });
        system[name] = value;
        service.answer(Method::GET, SYSTEM, StatusCode::OK, &system.to_string());
        let _taken_or_refused = runtime.block_on(ask_everything(&service));
        Ok(())
    });
    checked.expect("every case holds");
}

#[test]
fn every_entry_of_the_corpus_is_read_and_spoilt_it_is_read_or_an_error() {
    use super::super::model::{ActionInfo, Collection, Complaint, Interface, Root, System};
    let [root, system, systems]: [Vec<u8>; 3] = corpus::entries("redfish").try_into().expect("three entries");
    assert!(serde_json::from_slice::<Root>(&root).expect("a root").systems.is_some());
    assert_eq!(serde_json::from_slice::<Collection>(&systems).expect("a collection").members.len(), 1);
    let read = serde_json::from_slice::<System>(&system).expect("a system");
    assert_eq!(read.power_state.as_deref(), Some("Off"));
    proptest!(|(json in corpus::edited("redfish"))| {
        let _ = serde_json::from_slice::<Root>(&json);
        let _ = serde_json::from_slice::<System>(&json);
        let _ = serde_json::from_slice::<Collection>(&json);
        let _ = serde_json::from_slice::<ActionInfo>(&json);
        let _ = serde_json::from_slice::<Interface>(&json);
        let _ = serde_json::from_slice::<Complaint>(&json);
    });
}

#[tokio::test]
async fn a_link_that_leaves_the_service_is_not_followed() {
    let elsewhere = Service::start().await;
    let stolen = elsewhere.address.strip_prefix("http:").expect("http");
    for link in [elsewhere.address.as_str(), stolen, "relative", "/\\evil", "/a\r\nb", ""] {
        let service = Service::start().await;
        let root =
            json!({ "Systems": { "@odata.id": link }, "Links": { "Sessions": { "@odata.id": link } } });
        service.answer(Method::GET, "/redfish/v1/", StatusCode::OK, &root.to_string());
        let error = driver(&service.address).observe().await.expect_err("the link is refused");
        assert!(matches!(error, Error::Nonsense { .. }), "{link}: {error:?}");
    }
    assert!(elsewhere.state().requests.is_empty(), "no login went elsewhere");
}

#[tokio::test]
async fn replies_without_end_are_cut_off() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let long = format!("{{\"Name\":\"{}\"}}", "x".repeat(2 << 20));
    let members: Vec<_> =
        (0..1000).map(|n| json!({ "@odata.id": format!("/redfish/v1/Systems/{n}") })).collect();
    let many = json!({ "Members": members }).to_string();
    let round = json!({
        "Members": [{ "@odata.id": "/redfish/v1/Systems/1" }],
        "Members@odata.nextLink": "/redfish/v1/Systems"
    });
    for body in [deep, long, many, round.to_string()] {
        let service = Service::start().await;
        service.answer(Method::GET, "/redfish/v1/Systems", StatusCode::OK, &body);
        let error = driver(&service.address).observe().await.expect_err("too much");
        assert!(matches!(error, Error::Nonsense { .. }), "{error:?}");
        assert!(error.to_string().len() < 700, "{error}");
    }
}
