//! The drives a BMC lists: read once, whole or not at all, and never in the way of anything else.

use reqwest::{Method, StatusCode};
use serde_json::json;
use underlay_core::{
    Bytes, ErrorKind,
    bmc::{Bmc, Observation},
};

use super::{driver, service::Service};
use crate::bmc::redfish::Redfish;

const STORAGE: &str = "/redfish/v1/Systems/1/Storage";

fn answer(service: &Service, path: &str, body: &serde_json::Value) {
    service.answer(Method::GET, path, StatusCode::OK, &body.to_string());
}

fn links(paths: &[String]) -> serde_json::Value {
    paths.iter().map(|path| json!({ "@odata.id": path })).collect()
}

/// A service with two controllers: an NVMe drive and a disk; an SSD, an empty bay and a stick.
async fn service() -> Service {
    let service = Service::start().await;
    answer(
        &service,
        STORAGE,
        &json!({ "Members": links(&[format!("{STORAGE}/a"), format!("{STORAGE}/b")]) }),
    );
    let drives = |controller: &str, count: u32| {
        let paths: Vec<String> =
            (1..=count).map(|id| format!("{STORAGE}/{controller}/Drives/{id}")).collect();
        answer(&service, &format!("{STORAGE}/{controller}"), &json!({ "Drives": links(&paths) }));
    };
    drives("a", 2);
    drives("b", 3);
    for (path, drive) in [
        ("a/Drives/1", json!({ "CapacityBytes": 4096, "MediaType": "SSD", "Protocol": "NVMe" })),
        ("a/Drives/2", json!({ "CapacityBytes": 8192, "MediaType": "HDD", "Protocol": "SAS" })),
        (
            "b/Drives/1",
            json!({ "CapacityBytes": 2048, "MediaType": "SSD", "Protocol": "SATA", "Status": { "State": "Enabled" } }),
        ),
        ("b/Drives/2", json!({ "CapacityBytes": null, "Status": { "State": "Absent" } })),
        ("b/Drives/3", json!({ "CapacityBytes": 512, "MediaType": null, "Protocol": "USB" })),
    ] {
        answer(&service, &format!("{STORAGE}/{path}"), &drive);
    }
    service
}

fn inspecting(service: &Service) -> Redfish {
    driver(&service.address).inspecting_drives()
}

fn disks(seen: Observation) -> Option<Vec<(String, Bytes)>> {
    seen.facts.disks.map(|mut disks| {
        disks.sort();
        disks
    })
}

fn all() -> Option<Vec<(String, Bytes)>> {
    let disk = |kind: &str, size| (kind.to_owned(), Bytes(size));
    Some(vec![disk("hdd", 8192), disk("nvme", 4096), disk("ssd", 2048)])
}

#[tokio::test]
async fn they_are_read_once_and_remembered() {
    let service = service().await;
    let driver = inspecting(&service);
    for _ in 0..3 {
        assert_eq!(disks(driver.observe().await.expect("it answers")), all());
    }
    assert_eq!(service.count(&Method::GET, &format!("{STORAGE}/a/Drives/1")), 1);
    assert_eq!(service.count(&Method::GET, STORAGE), 1);
}

#[tokio::test]
async fn nobody_asks_for_them_where_they_are_known() {
    let service = service().await;
    let seen = driver(&service.address).observe().await.expect("it answers");
    assert_eq!(disks(seen), None);
    assert_eq!(service.count(&Method::GET, STORAGE), 0);
}

#[tokio::test]
async fn a_call_that_was_given_up_is_gone_on_with() {
    let service = service().await;
    let driver = inspecting(&service);
    let path = format!("{STORAGE}/a/Drives/2");
    service.answer(Method::GET, &path, StatusCode::SERVICE_UNAVAILABLE, "");
    let error = driver.observe().await.expect_err("it is busy");
    assert_eq!(error.kind(), ErrorKind::Transient);
    answer(&service, &path, &json!({ "CapacityBytes": 8192, "MediaType": "HDD", "Protocol": "SAS" }));
    assert_eq!(disks(driver.observe().await.expect("it answers")), all());
    assert_eq!(service.count(&Method::GET, STORAGE), 1);
    assert_eq!(service.count(&Method::GET, &format!("{STORAGE}/b/Drives/1")), 1);
}

#[tokio::test]
async fn a_bmc_that_never_has_time_for_them_is_enrolled_all_the_same() {
    let service = service().await;
    let driver = inspecting(&service);
    service.answer(Method::GET, STORAGE, StatusCode::SERVICE_UNAVAILABLE, "");
    for _ in 0..4 {
        driver.observe().await.expect_err("it is busy");
    }
    for _ in 0..3 {
        assert_eq!(disks(driver.observe().await.expect("it is left alone")), None);
    }
    assert_eq!(service.count(&Method::GET, STORAGE), 5);
}

#[tokio::test]
async fn what_makes_no_sense_is_not_known_and_stops_nothing() {
    let endless: Vec<String> = (0..65).map(|id| format!("{STORAGE}/a/Drives/{id}")).collect();
    for (path, body) in [
        (STORAGE.to_owned(), "[".to_owned()),
        (STORAGE.to_owned(), json!({ "Members": "many" }).to_string()),
        (STORAGE.to_owned(), json!({ "Members": links(&["http://192.0.2.1/elsewhere".into()]) }).to_string()),
        (format!("{STORAGE}/a"), json!({ "Drives": links(&endless) }).to_string()),
        (format!("{STORAGE}/b/Drives/1"), json!({ "CapacityBytes": "large" }).to_string()),
        (format!("{STORAGE}/b/Drives/1"), json!({ "CapacityBytes": -1 }).to_string()),
    ] {
        let service = service().await;
        service.answer(Method::GET, &path, StatusCode::OK, &body);
        let seen = inspecting(&service).observe().await;
        assert_eq!(disks(seen.expect("the rest is sound")), None, "{path} {body}");
    }
}

#[tokio::test]
async fn a_bmc_that_lists_none_is_not_one_without_disks() {
    let service = service().await;
    answer(&service, STORAGE, &json!({ "Members": [] }));
    assert_eq!(disks(inspecting(&service).observe().await.expect("it answers")), None);
}
