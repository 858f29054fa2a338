//! The change feed follows commit order and says when a cursor is too old.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod rack;

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use rack::{network, put_network, step, update};
use tokio_util::sync::CancellationToken;
use underlay_core::Kind;
use underlay_store::{
    Decision, Error, Intent, Store, feed::Follow, on_both_databases, retention::Retention, testing::Database,
};

/// Follows the feed until `wanted` objects were seen at generation `generation`; checks the order on the way.
async fn follow(store: Store, wanted: usize, generation: i64) -> BTreeMap<String, i64> {
    let mut hint = store.hint();
    let mut seen = BTreeMap::new();
    let mut cursor = 0;
    while seen.values().filter(|seen| **seen == generation).count() < wanted {
        hint.mark_unchanged();
        let changes = store.changes(cursor, Follow::default(), 7).await.expect("changes");
        for record in &changes.records {
            assert!(record.raw.meta.revision > cursor, "a change comes after the cursor");
            seen.insert(record.id().to_string(), record.raw.meta.generation);
        }
        assert!(changes.cursor >= cursor);
        if changes.cursor == cursor {
            hint.changed().await.expect("the store is open");
        }
        cursor = changes.cursor;
    }
    seen
}

async fn a_reader_misses_nothing_of_concurrent_writers(database: &Database) {
    let store = database.open().await;
    const WRITERS: usize = 8;
    const EACH: usize = 5;
    let reader = tokio::spawn(follow(store.clone(), WRITERS * EACH, 2));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            for number in 0..EACH {
                let name = format!("n{writer}-{number}");
                let made = store.put(network(&name, Intent::Create, 60)).await.expect("put").record;
                let intent = update(made.raw.meta.incarnation);
                store.put(network(&name, intent, 90)).await.expect("update");
            }
        });
    }
    writers.join_all().await;
    let seen = tokio::time::timeout(Duration::from_secs(60), reader).await.expect("nothing is missed");
    assert_eq!(seen.expect("the reader ends").len(), WRITERS * EACH);
}

async fn a_feed_shows_each_object_at_its_newest_and_its_tombstone(database: &Database) {
    let store = database.open().await;
    let page = store.list(Kind::Network, &Default::default(), None, 10).await.expect("list");
    let made = put_network(&store, "boot").await;
    store.delete(made.id(), made.raw.meta.incarnation).await.expect("delete");
    step(&store, made.id(), Decision::Gone, vec![]).await;
    let changes = store.changes(page.revision, Follow::default(), 10).await.expect("changes");
    assert_eq!(changes.records.len(), 1, "three changes of one object are one");
    assert!(changes.records[0].raw.meta.purged_at.is_some());
    let others = Follow { kind: Some(Kind::Host), ..Follow::default() };
    let changes = store.changes(page.revision, others, 10).await.expect("changes");
    assert!(changes.records.is_empty());
    assert_eq!(changes.cursor, store.head().await.expect("head"), "the cursor skips what is not followed");
}

async fn a_cursor_behind_a_swept_tombstone_is_expired(database: &Database) {
    let store = database.open().await;
    let old = store.head().await.expect("head");
    let made = put_network(&store, "boot").await;
    store.delete(made.id(), made.raw.meta.incarnation).await.expect("delete");
    step(&store, made.id(), Decision::Gone, vec![]).await;
    put_network(&store, "other").await;
    let young = store.head().await.expect("head");
    let none = Retention { history: Duration::ZERO, tombstones: Duration::ZERO, audit: Duration::ZERO };
    let later = Timestamp::now() + Duration::from_secs(1);
    assert!(store.sweep(none, later).await.expect("sweep") > 0);
    assert!(store.get(made.id()).await.expect("get").is_none(), "the tombstone is gone");
    let error = store.changes(old, Follow::default(), 10).await.expect_err("expired");
    assert!(matches!(error, Error::Expired { horizon } if horizon > old && horizon <= young), "{error}");
    store.changes(young, Follow::default(), 10).await.expect("a young cursor goes on");
}

async fn a_sweep_keeps_what_is_young(database: &Database) {
    let store = database.open().await;
    let made = put_network(&store, "boot").await;
    step(&store, made.id(), Decision::Done { audit: None }, vec![]).await;
    store.delete(made.id(), made.raw.meta.incarnation).await.expect("delete");
    step(&store, made.id(), Decision::Gone, vec![]).await;
    let events = store.events(Some(made.id()), 0, 100).await.expect("events").len();
    assert!(events >= 2);
    assert_eq!(store.sweep(Retention::default(), Timestamp::now()).await.expect("sweep"), 0);
    assert_eq!(store.events(Some(made.id()), 0, 100).await.expect("events").len(), events);
    let late = Timestamp::now() + Duration::from_secs(91 * 24 * 3600);
    store.sweep(Retention::default(), late).await.expect("sweep");
    assert!(store.events(Some(made.id()), 0, 100).await.expect("events").is_empty());
    assert!(store.operations(Some(made.id()), 10).await.expect("operations").is_empty());
}

async fn a_change_by_one_server_wakes_another(database: &Database) {
    if !database.url().starts_with("postgres") {
        return; // one SQLite file has one server
    }
    let (one, other) = (database.open().await, database.open().await);
    let cancel = CancellationToken::new();
    let listening = tokio::spawn({
        let (other, cancel) = (other.clone(), cancel.clone());
        async move { other.listen(cancel).await }
    });
    let mut hint = other.hint();
    put_network(&one, "boot").await;
    tokio::time::timeout(Duration::from_secs(30), hint.changed()).await.expect("hinted").expect("open");
    cancel.cancel();
    listening.await.expect("it ends");
}

on_both_databases!(
    a_reader_misses_nothing_of_concurrent_writers,
    a_feed_shows_each_object_at_its_newest_and_its_tombstone,
    a_cursor_behind_a_swept_tombstone_is_expired,
    a_sweep_keeps_what_is_young,
    a_change_by_one_server_wakes_another,
);
