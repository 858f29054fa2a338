//! Watch: snapshot, changes in order, resuming, and what happens when a cursor is too old.

use std::time::Duration;

use jiff::Timestamp;
use tonic::{Code, Streaming, transport::Channel};
use underlay_core::host::{self, Host};
use underlay_proto::v1::{self as pb, host_event::Event, host_service_client::HostServiceClient};
use underlay_store::{Decision, retention::Retention};

use crate::harness::{Rack, by_id, id, key, qemu_host};

async fn next(stream: &mut Streaming<pb::HostEvent>) -> Event {
    let message = tokio::time::timeout(Duration::from_secs(20), stream.message()).await;
    message.expect("an event comes").unwrap().expect("the stream goes on").event.unwrap()
}

async fn host(stream: &mut Streaming<pb::HostEvent>) -> pb::Host {
    match next(stream).await {
        Event::Host(host) => host,
        other => panic!("{other:?}"),
    }
}

async fn put(hosts: &mut HostServiceClient<Channel>, name: &str) -> pb::Meta {
    hosts.put(qemu_host(name)).await.unwrap().into_inner().host.unwrap().meta.unwrap()
}

#[tokio::test]
async fn a_snapshot_comes_first_then_changes_in_order_tombstones_included() {
    let rack = Rack::start().await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    let a = put(&mut hosts, "a").await;
    let mut stream = hosts.watch(pb::WatchRequest::default()).await.unwrap().into_inner();
    assert_eq!(host(&mut stream).await.meta.unwrap().id, a.id);
    assert_eq!(next(&mut stream).await, Event::SnapshotComplete(true));

    let b = put(&mut hosts, "b").await;
    assert_eq!(host(&mut stream).await.meta.unwrap().id, b.id);
    rack.enter::<Host>(id(&a), host::State::Available, Default::default(), Vec::new()).await;
    let mut last = host(&mut stream).await;
    while !last.standing.as_ref().unwrap().settled || last.meta.as_ref().unwrap().observed_generation == 0 {
        last = host(&mut stream).await;
    }
    assert_eq!(last.standing.unwrap().phase, "available");

    let delete = pb::DeleteRequest { selector: by_id(&a), incarnation: a.incarnation.clone() };
    hosts.delete(delete).await.unwrap();
    assert!(host(&mut stream).await.meta.unwrap().deleted_at.is_some());
    rack.commit(id(&a), Decision::Gone, None, Vec::new()).await;
    assert!(host(&mut stream).await.meta.unwrap().purged_at.is_some());
}

#[tokio::test]
async fn a_watch_goes_on_from_where_it_broke_off() {
    let rack = Rack::start().await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    let a = put(&mut hosts, "a").await;
    let b = put(&mut hosts, "b").await;
    let request = pb::WatchRequest { after_revision: a.revision, ..Default::default() };
    let mut stream = hosts.watch(request).await.unwrap().into_inner();
    assert_eq!(host(&mut stream).await.meta.unwrap().id, b.id, "no snapshot, only what came after");
}

#[tokio::test]
async fn a_watch_can_be_narrowed_to_one_object_and_to_an_owner() {
    let rack = Rack::start().await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    put(&mut hosts, "a").await;
    let b = put(&mut hosts, "b").await;
    let one = pb::WatchRequest { selector: by_id(&b), ..Default::default() };
    let mut one = hosts.watch(one).await.unwrap().into_inner();
    let filter = Some(pb::ListRequest { owner: "team-web".into(), ..Default::default() });
    let mut theirs =
        hosts.watch(pb::WatchRequest { filter, ..Default::default() }).await.unwrap().into_inner();
    assert_eq!(host(&mut one).await.meta.unwrap().id, b.id);
    assert_eq!(next(&mut one).await, Event::SnapshotComplete(true));
    assert_eq!(next(&mut theirs).await, Event::SnapshotComplete(true));
    let mut other = qemu_host("x");
    other.key = Some(pb::Key { owner: "team-web".into(), ..key("x").unwrap() });
    let x = hosts.put(other).await.unwrap().into_inner().host.unwrap().meta.unwrap();
    assert_eq!(host(&mut theirs).await.meta.unwrap().id, x.id);
    rack.enter::<Host>(id(&b), host::State::Available, Default::default(), Vec::new()).await;
    assert_eq!(host(&mut one).await.meta.unwrap().id, b.id, "the other owner's host was not shown");
    let nobody = pb::WatchRequest { selector: crate::harness::by_name("nobody"), ..Default::default() };
    assert_eq!(hosts.watch(nobody).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_cursor_that_is_too_old_or_from_elsewhere_is_told_to_start_again() {
    let rack = Rack::start().await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    let a = put(&mut hosts, "a").await;
    let delete = pb::DeleteRequest { selector: by_id(&a), incarnation: a.incarnation.clone() };
    hosts.delete(delete).await.unwrap();
    rack.commit(id(&a), Decision::Gone, None, Vec::new()).await;
    put(&mut hosts, "b").await;
    let none = Retention { history: Duration::ZERO, tombstones: Duration::ZERO, audit: Duration::ZERO };
    let later = Timestamp::now() + Duration::from_secs(60);
    rack.store.sweep(none, later).await.unwrap();
    for after_revision in [a.revision, 1_000_000] {
        let request = pb::WatchRequest { after_revision, ..Default::default() };
        let mut stream = hosts.watch(request).await.unwrap().into_inner();
        assert_eq!(next(&mut stream).await, Event::Resync(true), "{after_revision}");
        assert!(stream.message().await.unwrap().is_none(), "and the stream ends");
    }
}

#[tokio::test]
async fn a_caller_that_does_not_read_gets_the_newest_state_not_every_one() {
    let rack = Rack::start().await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    let mut stream = hosts.watch(pb::WatchRequest::default()).await.unwrap().into_inner();
    assert_eq!(next(&mut stream).await, Event::SnapshotComplete(true));
    let mut last = String::new();
    for round in 0..300 {
        let mut again = qemu_host("a");
        last = format!("round-{round}-{}", "x".repeat(200));
        again.spec.as_mut().unwrap().labels = (0..60).map(|at| (format!("l{at}"), last.clone())).collect();
        hosts.put(again).await.unwrap();
    }
    let mut seen = 0;
    loop {
        seen += 1;
        if host(&mut stream).await.spec.unwrap().labels["l0"] == last {
            break;
        }
    }
    assert!(seen < 300, "{seen} of 300 states were sent");
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams_and_takes_no_new_calls() {
    let rack = Rack::start().await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    let mut stream = hosts.watch(pb::WatchRequest::default()).await.unwrap().into_inner();
    assert_eq!(next(&mut stream).await, Event::SnapshotComplete(true));
    rack.stop().await;
    let ended = stream.message().await.unwrap_err();
    assert_eq!(ended.code(), Code::Unavailable);
    assert!(ended.message().contains("call again"), "{ended}");
    assert!(hosts.list(pb::ListRequest::default()).await.is_err());
    assert!(!rack.directory.path().join("api.sock").exists());
}
