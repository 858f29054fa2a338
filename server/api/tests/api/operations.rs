//! Operations and Explain: what was done, where it stands, what to do.

use std::time::Duration;

use tonic::Code;
use underlay_core::{
    Amount, ErrorKind, Failure, Unit,
    host::{self, Host},
    machine::{Machine, State},
};
use underlay_proto::v1::{
    self as pb, host_service_client::HostServiceClient, image_service_client::ImageServiceClient,
    machine_service_client::MachineServiceClient, operation_service_client::OperationServiceClient,
};
use underlay_store::Decision;

use crate::harness::{Rack, by_name, id, image, machine, qemu_host};

fn object(kind: &str, name: &str) -> Option<pb::ObjectRef> {
    Some(pb::ObjectRef { kind: kind.into(), selector: by_name(name) })
}

async fn explain(rack: &Rack, kind: &str, name: &str) -> pb::Explanation {
    let mut operations = OperationServiceClient::new(rack.local().await);
    operations
        .explain(pb::ExplainRequest { object: object(kind, name), values: true })
        .await
        .unwrap()
        .into_inner()
}

async fn deploying(rack: &Rack) -> (pb::Meta, pb::Meta) {
    let mut hosts = HostServiceClient::new(rack.local().await);
    let host = hosts.put(qemu_host("lab-1")).await.unwrap().into_inner().host.unwrap().meta.unwrap();
    let mut images = ImageServiceClient::new(rack.local().await);
    images.put(image("debian", 'a')).await.unwrap();
    let mut machines = MachineServiceClient::new(rack.local().await);
    let web = machines.put(machine("web", "lab-1", 'a')).await.unwrap().into_inner().machine.unwrap();
    (host, web.meta.unwrap())
}

#[tokio::test]
async fn operations_are_read_and_listed_with_their_steps() {
    let rack = Rack::start().await;
    let (host, _) = deploying(&rack).await;
    rack.enter::<Host>(id(&host), host::State::Available, Default::default(), Vec::new()).await;
    let mut operations = OperationServiceClient::new(rack.local().await);
    let list = pb::ListOperationsRequest { object: object("host", "lab-1"), limit: 0 };
    let listed = operations.list(list).await.unwrap().into_inner().operations;
    assert_eq!(listed.len(), 1);
    let phases: Vec<_> = listed[0].steps.iter().map(|step| step.phase.as_str()).collect();
    assert_eq!((listed[0].verb.as_str(), phases), ("create", vec!["enrolling", "available"]));
    assert!(listed[0].finished_at.is_some());
    let got = operations.get(pb::GetOperationRequest { id: listed[0].id.clone() }).await.unwrap();
    assert_eq!(got.into_inner(), listed[0]);
    let all = operations.list(pb::ListOperationsRequest::default()).await.unwrap().into_inner().operations;
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|operation| operation.key.is_some()));
    for (request, attribute) in [
        (pb::ListOperationsRequest { object: object("rack", "x"), limit: 0 }, "object.kind"),
        (pb::ListOperationsRequest { object: None, limit: 5000 }, "limit"),
    ] {
        assert_eq!(crate::harness::blamed(&operations.list(request).await.unwrap_err()), [attribute]);
    }
    let none = pb::GetOperationRequest { id: uuid::Uuid::nil().to_string() };
    assert!(operations.get(none).await.is_err());
}

#[tokio::test]
async fn a_watched_operation_shows_progress_and_ends_when_settled() {
    let rack = Rack::start().await;
    let (host, _) = deploying(&rack).await;
    let mut operations = OperationServiceClient::new(rack.local().await);
    let watch = pb::WatchOperationsRequest { object: object("host", "lab-1"), until_settled: true };
    let mut stream = operations.watch(watch).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap();
    assert_eq!(first.standing.unwrap().phase, "enrolling");
    let amount = Some(Amount { done: 3, total: 9, unit: Unit::Steps });
    let wait = Decision::Wait { reason: "its driver".into(), again: Duration::from_secs(9), amount };
    rack.commit(id(&host), wait, None, Vec::new()).await;
    let waiting = stream.message().await.unwrap().unwrap();
    let standing = waiting.standing.unwrap();
    assert_eq!((standing.waiting_for.as_str(), standing.amount.unwrap().done), ("its driver", 3));
    assert_eq!(waiting.operation.unwrap().steps[0].note, "its driver");
    rack.enter::<Host>(id(&host), host::State::Available, Default::default(), Vec::new()).await;
    let mut last = None;
    while let Some(event) = stream.message().await.unwrap() {
        last = Some(event);
    }
    let last = last.expect("the end is shown");
    assert!(last.standing.unwrap().settled);
    assert!(last.operation.unwrap().finished_at.is_some());
}

#[tokio::test]
async fn a_failed_machine_is_explained_with_what_to_do() {
    let rack = Rack::start().await;
    let (_, web) = deploying(&rack).await;
    let failure = Failure::new(
        ErrorKind::Permanent,
        "machine web: writing the image",
        "the disk answers with errors",
        "the disk was not touched",
        "Replace disk vda of host lab-1",
    );
    let state = State::Failed { run: None, deployed: None, generation: 1 };
    let next = underlay_store::Entered {
        state: serde_json::to_value(state).unwrap(),
        phase: "failed".into(),
        settled: true,
    };
    rack.commit(id(&web), Decision::Failed { next, failure, again: None }, None, Vec::new()).await;
    let told = explain(&rack, "machine", "web").await;
    assert_eq!(told.advice[0], "Replace disk vda of host lab-1");
    assert!(told.advice[1].contains("terraform apply"), "{:?}", told.advice);
    let standing = told.standing.unwrap();
    assert_eq!(standing.failure.unwrap().why, "the disk answers with errors");
    assert_eq!(standing.decided_at, "test.rs:1");
    let related: Vec<_> = told.related.iter().map(|it| (it.kind.as_str(), it.attribute.as_str())).collect();
    assert_eq!(related, [("host", "host"), ("image", "image")]);
    assert_eq!(told.operations[0].failure.as_ref().unwrap().what, "machine web: writing the image");
    assert!(!told.events.is_empty());
}

#[tokio::test]
async fn a_quarantined_host_is_explained_with_how_to_clear_it() {
    let rack = Rack::start().await;
    let (host, _) = deploying(&rack).await;
    let failure = Failure::new(ErrorKind::Permanent, "host lab-1", "its serial is another", "set aside", "");
    rack.enter::<Host>(
        id(&host),
        host::State::Quarantined { failure, spec: String::new() },
        Default::default(),
        Vec::new(),
    )
    .await;
    let told = explain(&rack, "host", "lab-1").await;
    assert!(told.advice[0].contains("its serial is another"), "{:?}", told.advice);
    assert!(told.advice[1].contains("underlay host clear lab-1"), "{:?}", told.advice);
    assert_eq!(told.related[0].key.as_ref().unwrap().name, "web", "who uses it");
}

#[tokio::test]
async fn a_host_that_was_not_heard_is_looked_for_on_the_network() {
    use underlay_core::machine::{Deployed, Run};
    let rack = Rack::start().await;
    let (host, web) = deploying(&rack).await;
    let record = rack.store.get(id(&web)).await.unwrap().unwrap();
    let spec = record.raw.decode::<Machine>().unwrap().spec;
    let target = Deployed::of(&spec, id(&host), "r1u7", 1);
    let run = Run {
        generation: 1,
        epoch: 1,
        host: id(&host),
        target,
        previous: None,
        phone_home: None,
        takeover: Default::default(),
        attempt: 0,
        trust: Default::default(),
    };
    rack.enter::<Machine>(id(&web), State::Booting { run }, Default::default(), Vec::new()).await;
    let told = explain(&rack, "machine", "web").await;
    assert!(told.advice[0].contains("was not heard on the network"), "{:?}", told.advice);
    let seen = underlay_core::observation::Observation {
        id: id(&host),
        source: underlay_core::observation::Source::Boot,
        at: jiff::Timestamp::now(),
        body: underlay_core::observation::Body::Boot { what: "fetched the kernel".into() },
    };
    rack.store.observe(&seen).await.unwrap();
    let told = explain(&rack, "machine", "web").await;
    assert_eq!(told.evidence[0].text, "fetched the kernel");
    assert!(told.advice[0].contains("console"), "{:?}", told.advice);
}

#[tokio::test]
async fn what_is_as_it_should_be_needs_nothing() {
    let rack = Rack::start().await;
    let (host, _) = deploying(&rack).await;
    rack.enter::<Host>(id(&host), host::State::Available, Default::default(), Vec::new()).await;
    assert_eq!(explain(&rack, "host", "lab-1").await.advice, ["Nothing; it is as it should be"]);
    let mut operations = OperationServiceClient::new(rack.local().await);
    let unknown = pb::ExplainRequest { object: object("host", "nobody"), values: false };
    assert_eq!(operations.explain(unknown).await.unwrap_err().code(), Code::NotFound);
    assert!(operations.explain(pb::ExplainRequest::default()).await.is_err());
}
