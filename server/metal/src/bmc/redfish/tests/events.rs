//! Subscriptions at a BMC: ours is made once and found again, stale ones of ours go, others' are never touched, and a BMC
//! that does not send events loses us nothing.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use underlay_core::{
    ObjectId,
    bmc::{Bmc, Error},
};

use super::{driver, service::Service};
use crate::bmc::redfish::Redfish;

const ROOT: &str = "/redfish/v1/";
const EVENTS: &str = "/redfish/v1/EventService";
const LIST: &str = "/redfish/v1/EventService/Subscriptions";
const SECRET: &str = "5ec2e7";

fn answer(service: &Service, method: Method, path: &str, body: &Value) {
    service.answer(method, path, StatusCode::OK, &body.to_string());
}

/// A service whose EventService has these subscriptions.
async fn service(subscriptions: &[Value]) -> Service {
    let service = Service::start().await;
    let link = |path: &str| json!({ "@odata.id": path });
    answer(
        &service,
        Method::GET,
        ROOT,
        &json!({ "Systems": link("/redfish/v1/Systems"), "EventService": link(EVENTS), "Links": { "Sessions": link(super::SESSIONS) } }),
    );
    let types = ["StatusChange", "ResourceAdded"];
    let events =
        json!({ "ServiceEnabled": true, "Subscriptions": link(LIST), "EventTypesForSubscription": types });
    answer(&service, Method::GET, EVENTS, &events);
    let members: Vec<Value> = (0..subscriptions.len()).map(|id| link(&format!("{LIST}/{id}"))).collect();
    answer(&service, Method::GET, LIST, &json!({ "Members": members }));
    for (id, subscription) in subscriptions.iter().enumerate() {
        answer(&service, Method::GET, &format!("{LIST}/{id}"), subscription);
        answer(&service, Method::DELETE, &format!("{LIST}/{id}"), &json!({}));
    }
    answer(&service, Method::POST, LIST, &json!({}));
    service
}

fn address(host: ObjectId, base: &str, proof: &str) -> String {
    format!("http://{base}/v1/events/{host}/{proof}")
}

fn telling(service: &Service, host: ObjectId) -> Redfish {
    driver(&service.address).telling(host, address(host, "10.0.0.1:7480", SECRET).into())
}

#[tokio::test]
async fn it_is_made_once() {
    let service = service(&[]).await;
    let driver = telling(&service, ObjectId::new());
    for _ in 0..3 {
        driver.ensure_events().await.expect("it subscribes");
    }
    assert_eq!(service.count(&Method::POST, LIST), 1);
    assert_eq!(service.count(&Method::GET, EVENTS), 1);
}

#[tokio::test]
async fn ours_is_found_again_stale_ones_go_and_others_stay() {
    let host = ObjectId::new();
    let other = json!({ "Destination": "https://monitor.example/events", "Context": "monitor" });
    let moved = json!({ "Destination": address(host, "10.9.9.9:7480", "0ld") });
    let ours = json!({ "Destination": address(host, "10.0.0.1:7480", SECRET) });
    let neighbour = json!({ "Destination": address(ObjectId::new(), "10.0.0.1:7480", SECRET) });
    let hidden = json!({ "Destination": null, "Context": format!("underlay {host}") });
    let service = service(&[other, moved, ours, neighbour, hidden]).await;
    let driver = telling(&service, host);
    driver.ensure_events().await.expect("it is there");
    let deleted = |service: &Service| {
        (0..5).map(|id| service.count(&Method::DELETE, &format!("{LIST}/{id}"))).collect::<Vec<_>>()
    };
    assert_eq!(deleted(&service), [0, 1, 0, 0, 1]);
    assert_eq!(service.count(&Method::POST, LIST), 0);
    driver.forget().await.expect("it is forgotten");
    assert_eq!(deleted(&service), [0, 2, 1, 0, 2]);
}

#[tokio::test]
async fn a_refusal_is_told_once_and_without_the_secret() {
    let service = service(&[]).await;
    let host = ObjectId::new();
    let said = json!({ "error": { "message": format!("{} must be https", address(host, "10.0.0.1:7480", SECRET)) } });
    service.answer(Method::POST, LIST, StatusCode::BAD_REQUEST, &said.to_string());
    let driver = telling(&service, host);
    let error = driver.ensure_events().await.expect_err("it refuses");
    assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
    assert!(!format!("{error:?} {error}").contains(SECRET), "{error:?}");
    // With the types of events, as older services want it, and without.
    assert_eq!(service.count(&Method::POST, LIST), 2);
    driver.ensure_events().await.expect("it is left alone for a while");
    assert_eq!(service.count(&Method::POST, LIST), 2);
}

#[tokio::test]
async fn a_busy_bmc_is_asked_again() {
    let service = service(&[]).await;
    let driver = telling(&service, ObjectId::new());
    service.answer(Method::GET, LIST, StatusCode::SERVICE_UNAVAILABLE, "");
    driver.ensure_events().await.expect_err("it is busy");
    answer(&service, Method::GET, LIST, &json!({ "Members": [] }));
    driver.ensure_events().await.expect("now it has time");
    assert_eq!(service.count(&Method::POST, LIST), 1);
}

#[tokio::test]
async fn a_bmc_without_the_service_is_one_that_sends_no_events() {
    let plain = Service::start().await;
    let driver = telling(&plain, ObjectId::new());
    driver.ensure_events().await.expect("nothing is lost");
    driver.observe().await.expect("it answers");
    driver.forget().await.expect("it is forgotten");
    let disabled = service(&[]).await;
    answer(
        &disabled,
        Method::GET,
        EVENTS,
        &json!({ "ServiceEnabled": false, "Subscriptions": { "@odata.id": LIST } }),
    );
    telling(&disabled, ObjectId::new()).ensure_events().await.expect("nothing is lost");
    assert_eq!(disabled.count(&Method::POST, LIST), 0);
}

#[tokio::test]
async fn nonsense_about_events_stops_neither_looking_nor_forgetting() {
    for (path, body) in [
        (
            ROOT,
            json!({ "Systems": { "@odata.id": "/redfish/v1/Systems" }, "EventService": 7, "Links": { "Sessions": { "@odata.id": super::SESSIONS } } }),
        ),
        (EVENTS, json!([1, 2])),
        (EVENTS, json!({ "Subscriptions": { "@odata.id": "http://192.0.2.1/elsewhere" } })),
        (LIST, json!({ "Members": "many" })),
    ] {
        let service = service(&[]).await;
        answer(&service, Method::GET, path, &body);
        let driver = telling(&service, ObjectId::new());
        // An error or none; what counts is what follows.
        let _ = driver.ensure_events().await;
        driver.observe().await.expect("the rest is sound");
        driver.forget().await.expect("it is forgotten");
        assert_eq!(service.count(&Method::POST, LIST), 0, "{path} {body}");
    }
}
