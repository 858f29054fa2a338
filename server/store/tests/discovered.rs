//! Machines that nobody enrolled: kept by their NICs, with what changed in them, and no more than so many.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::{SignedDuration, Timestamp};
use underlay_core::{Bytes, Mac, agent::Inventory};
use underlay_store::{
    Store,
    discovered::{KEPT, Seen},
    on_both_databases,
    testing::Database,
};

fn mac(number: u32) -> Mac {
    let [a, b, c, d] = number.to_be_bytes();
    Mac([2, 0, a, b, c, d])
}

fn at(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
}

async fn see(store: &Store, number: u32, second: i64, memory: u64) {
    let inventory = Inventory {
        serial: Some(format!("SN-{number}")),
        memory: Bytes(memory << 30),
        ..Inventory::default()
    };
    let seen = Seen { mac: mac(number), network: Some("boot"), at: at(second), inventory: &inventory };
    store.note_discovered(seen).await.expect("kept");
}

async fn what_changed_is_remembered_with_its_machine(database: &Database) {
    let store = database.open().await;
    see(&store, 1, 10, 64).await;
    see(&store, 2, 20, 64).await;
    see(&store, 1, 30, 32).await;
    let kept = store.discovered().await.expect("listed");
    assert_eq!(kept.iter().map(|it| it.mac).collect::<Vec<_>>(), [mac(1), mac(2)], "the newest first");
    assert_eq!((kept[0].first_seen, kept[0].last_seen), (at(10), at(30)));
    assert_eq!(kept[0].network.as_deref(), Some("boot"));
    let changes: Vec<_> = kept[0].changes.iter().map(|it| (it.at, it.what.as_str())).collect();
    assert_eq!(changes, [(at(30), "memory: 64GiB became 32GiB")]);
    assert!(kept[1].changes.is_empty());
    // Another server, or this one after a restart, knows the same.
    assert_eq!(database.open().await.discovered().await.expect("listed"), kept);
    store.forget_discovered(mac(1)).await.expect("forgotten");
    assert_eq!(store.discovered().await.expect("listed").len(), 1);
    assert_eq!(store.head().await.expect("a head"), 0, "no object was touched");
}

async fn the_oldest_make_room(database: &Database) {
    let store = database.open().await;
    let more = 20;
    for number in 0..u32::try_from(KEPT).unwrap() + more {
        see(&store, number, i64::from(number), 1).await;
    }
    let kept = store.discovered().await.expect("listed");
    assert_eq!(kept.len(), KEPT);
    assert_eq!(kept.last().map(|it| it.mac), Some(mac(more)));
}

on_both_databases!(what_changed_is_remembered_with_its_machine, the_oldest_make_room);
