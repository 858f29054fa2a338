//! The virtual CD, wherever it is and however it wants to be driven; and that its image's address stays a secret.

use reqwest::{Method, StatusCode};
use serde_json::json;
use underlay_core::{
    ErrorKind,
    bmc::{Bmc, Error, MediaUrl},
};

use super::{
    driver,
    service::{Media, Service},
};
use crate::bmc::conformance;

const URL: &str = "http://10.0.0.1:7480/v1/media/canary4711.iso";

fn url() -> MediaUrl {
    MediaUrl(URL.to_owned().into())
}

async fn ensure(service: &Service, image: Option<&MediaUrl>) -> Result<(), Error> {
    let driver = driver(&service.address);
    driver.virtual_media().expect("it has the ability").ensure_media(image).await
}

#[tokio::test]
async fn it_passes_the_suite_wherever_the_drive_is_and_however_it_is_driven() {
    for media in [
        Media::Actions { under: "Systems/1", takes: &[] },
        Media::Actions { under: "Managers/bmc", takes: &[] },
        Media::Actions { under: "Managers/bmc", takes: &["Inserted", "WriteProtected"] },
        Media::Actions { under: "Managers/bmc", takes: &["TransferMethod", "TransferProtocolType"] },
        Media::Patched,
    ] {
        let service = Service::start().await;
        service.state().media = media;
        conformance::virtual_media(&driver(&service.address), &url(), || service.state().image.clone()).await;
    }
}

#[tokio::test]
async fn only_what_an_insertion_takes_is_said_where_the_bmc_tells() {
    let service = Service::start().await;
    service.state().media = Media::Actions { under: "Systems/1", takes: &["Inserted"] };
    ensure(&service, Some(&url())).await.expect("inserted");
    assert_eq!(service.state().insertions, [json!({ "Image": URL, "Inserted": true })]);
}

#[tokio::test]
async fn what_a_person_has_inserted_gives_way_to_a_boot_and_is_otherwise_left_alone() {
    let service = Service::start().await;
    service.state().image = Some("http://10.0.0.9/rescue.iso".into());
    ensure(&service, None).await.expect("nothing of ours is in");
    assert_eq!(service.state().image.as_deref(), Some("http://10.0.0.9/rescue.iso"));
    ensure(&service, Some(&url())).await.expect("it takes its place");
    assert_eq!(service.state().image.as_deref(), Some(URL));
    // An image of another boot of ours is taken out all the same.
    service.state().image = Some("http://10.0.0.1:7480/v1/media/other.iso".into());
    ensure(&service, None).await.expect("taken out");
    assert_eq!(service.state().image, None);
}

#[tokio::test]
async fn a_bmc_without_a_drive_or_a_licence_cannot_and_says_nothing_of_the_address() {
    for media in [Media::Missing, Media::Unlicensed] {
        let service = Service::start().await;
        service.state().media = media;
        let error = ensure(&service, Some(&url())).await.expect_err("it cannot");
        assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Permanent);
        let shown = format!("{error} {error:?} {}", underlay_core::because(&error));
        assert!(!shown.contains("canary"), "{shown}");
        ensure(&service, None).await.expect("where nothing can be in, nothing is");
    }
}

#[tokio::test]
async fn each_refusal_is_an_error_of_its_kind_and_none_holds_the_address() {
    const INSERT: &str = "/redfish/v1/Systems/1/VirtualMedia/Cd/Actions/VirtualMedia.InsertMedia";
    for (status, name) in [
        (400, "Unsupported"),
        (403, "Unsupported"),
        (404, "Unsupported"),
        (405, "Unsupported"),
        (501, "Unsupported"),
        (409, "Busy"),
        (429, "Busy"),
        (503, "Busy"),
        (500, "Nonsense"),
        (302, "Nonsense"),
    ] {
        let service = Service::start().await;
        let status = StatusCode::from_u16(status).expect("a status");
        let said = json!({ "error": { "message": format!("cannot fetch {URL}, no canary4711.iso there") } });
        service.answer(Method::POST, INSERT, status, &said.to_string());
        let error = ensure(&service, Some(&url())).await.expect_err("it fails");
        let shown = format!("{error:?} {error}");
        assert!(shown.starts_with(name), "{status}: {shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[tokio::test]
async fn an_image_that_is_taken_and_not_there_yet_is_waited_for() {
    let service = Service::start().await;
    service.state().media = Media::Slow;
    let error = ensure(&service, Some(&url())).await.expect_err("it is not in yet");
    assert!(matches!(error, Error::Busy { .. }), "{error:?}");
    service.state().image = Some(URL.into());
    ensure(&service, Some(&url())).await.expect("it is in");
    assert_eq!(service.state().insertions.len(), 1);
}

#[tokio::test]
async fn a_drive_that_shows_nothing_but_the_file_is_known_by_it() {
    let service = Service::start().await;
    let drive = json!({ "MediaTypes": ["CD"], "ImageName": "canary4711.iso", "Inserted": true });
    service.answer(Method::GET, "/redfish/v1/Systems/1/VirtualMedia/Cd", StatusCode::OK, &drive.to_string());
    ensure(&service, Some(&url())).await.expect("it is in");
    assert!(service.state().insertions.is_empty());
}
