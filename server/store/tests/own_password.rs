//! The password of its own that a BMC may have: drawn once, and kept until it is said that no BMC has it any more.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod rack;

use std::time::Duration;

use jiff::Timestamp;
use rack::{put_host, step, waits};
use secrecy::ExposeSecret;
use underlay_core::{Effect, Kind, ObjectId, host::OWN_PASSWORD};
use underlay_store::{Decision, Store, on_both_databases, retention::Retention, testing::Database};

/// A step with that effect, now.
async fn act(store: &Store, host: ObjectId, effect: Effect) {
    store.wake(host).await.unwrap();
    step(store, host, waits("it"), vec![effect]).await;
}

async fn password(store: &Store, host: ObjectId) -> Option<String> {
    let found = store.secret(host, OWN_PASSWORD).await.unwrap();
    found.map(|password| password.expose_secret().to_owned())
}

async fn what_a_bmc_may_have_is_never_drawn_anew(database: &Database) {
    let store = database.open().await;
    let host = put_host(&store, "r1").await.id();
    act(&store, host, Effect::DrawPassword).await;
    let first = password(&store, host).await.expect("one was drawn");
    act(&store, host, Effect::DrawPassword).await;
    assert_eq!(password(&store, host).await, Some(first.clone()), "a BMC may have it by now");
    act(&store, host, Effect::DropPassword).await;
    assert_eq!(password(&store, host).await, None);
    act(&store, host, Effect::DrawPassword).await;
    assert_ne!(password(&store, host).await.expect("another"), first);
}

async fn it_outlives_its_host_until_somebody_says_that_it_is_not_needed(database: &Database) {
    let store = database.open().await;
    let kept = put_host(&store, "r1").await;
    let dropped = put_host(&store, "r2").await;
    for host in [kept.id(), dropped.id()] {
        act(&store, host, Effect::DrawPassword).await;
    }
    let was = password(&store, kept.id()).await.expect("one was drawn");
    store.wake(kept.id()).await.unwrap();
    store.wake(dropped.id()).await.unwrap();
    step(&store, kept.id(), Decision::Gone, vec![]).await;
    step(&store, dropped.id(), Decision::Gone, vec![Effect::DropPassword]).await;
    let none = Retention {
        history: Duration::ZERO,
        tombstones: Duration::ZERO,
        audit: Duration::from_secs(1 << 30),
    };
    store.sweep(none, Timestamp::now() + Duration::from_secs(60)).await.unwrap();
    assert!(store.get(dropped.id()).await.unwrap().is_none(), "nothing is left of it");

    let key = kept.raw.meta.key.clone();
    let again = put_host(&store, "r1").await.id();
    act(&store, again, Effect::DrawPassword).await;
    let found = store.own_passwords(&key).await.unwrap();
    let ids: Vec<ObjectId> = found.iter().map(|one| one.host.id()).collect();
    assert_eq!(ids, [again, kept.id()], "the newest first");
    assert_eq!(found[1].password.expose_secret(), was);
    assert!(found[1].host.raw.meta.purged_at.is_some() && found[0].host.raw.meta.purged_at.is_none());

    assert_eq!(store.forget_own_passwords(&key).await.unwrap(), 1, "those of hosts that are gone");
    assert!(password(&store, again).await.is_some(), "never that of one that lives");
    assert_eq!(store.forget_own_passwords(&key).await.unwrap(), 0);
    store.sweep(none, Timestamp::now() + Duration::from_secs(60)).await.unwrap();
    assert!(store.get(kept.id()).await.unwrap().is_none());
    assert!(store.own_passwords(&rack::key("nobody", "r1")).await.unwrap().is_empty());
    assert!(store.get_by_key(Kind::Host, &key).await.unwrap().is_some());
}

on_both_databases!(
    what_a_bmc_may_have_is_never_drawn_anew,
    it_outlives_its_host_until_somebody_says_that_it_is_not_needed,
);
