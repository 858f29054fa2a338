//! The audit: no change without its row, no row changed or taken away without it showing.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod rack;

use std::time::Duration;

use jiff::Timestamp;
use rack::{network, put_network, update};
use underlay_core::ObjectId;
use underlay_store::{
    Error, Intent, SealingKey, Store,
    audit::{Entry, Query, Trail},
    on_both_databases,
    retention::Retention,
    testing::Database,
};

fn entry(who: &str, object: &str) -> Entry {
    Entry {
        who: who.into(),
        method: "MachineService/Put".into(),
        object: object.into(),
        outcome: "Ok".into(),
        ..Entry::default()
    }
}

async fn add(store: &Store, rows: usize) {
    for number in 0..rows {
        store.add_to_audit(entry("ci (1a)", &format!("machine default/web/m{number}"))).await.unwrap();
    }
}

async fn a_change_and_its_row_are_one(database: &Database) {
    let store = database.open().await;
    let trail = Trail::new(entry("ci (1a)", "network default/web/boot"));
    let put = store.on_record(&trail).put(network("boot", Intent::Create, 60)).await.unwrap();
    assert!(trail.is_written());
    let rows = store.audit(&Query::default(), 10).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].seq, rows[0].entry.who.as_str(), rows[0].entry.outcome.as_str()),
        (1, "ci (1a)", "Ok")
    );
    // One call, one row, however many writes it makes.
    let store_of_call = store.on_record(&trail);
    store_of_call.wake(put.record.id()).await.unwrap();
    assert_eq!(store.audit(&Query::default(), 10).await.unwrap().len(), 1);
    // What is refused is not written with anything: there was nothing.
    let refused = Trail::new(entry("ci (1a)", "network default/web/boot"));
    let stale = update(underlay_core::Incarnation::new());
    let error = store.on_record(&refused).put(network("boot", stale, 90)).await.unwrap_err();
    assert!(matches!(error, Error::Stale { .. }) && !refused.is_written());
    assert_eq!(store.audit(&Query::default(), 10).await.unwrap().len(), 1);
    // Writes of the server itself leave none.
    put_network(&store, "other").await;
    assert_eq!(store.audit(&Query::default(), 10).await.unwrap().len(), 1);
}

async fn rows_are_found_by_who_what_and_when(database: &Database) {
    let store = database.open().await;
    add(&store, 5).await;
    store.add_to_audit(entry("ci-2 (2b)", "machine default/web/m1")).await.unwrap();
    let found = async |query: Query| {
        let rows = store.audit(&query, 100).await.unwrap();
        rows.iter().map(|row| row.seq).collect::<Vec<_>>()
    };
    let who = |who: &str| Query { who: Some(who.into()), ..Query::default() };
    assert_eq!(found(Query::default()).await, [6, 5, 4, 3, 2, 1]);
    assert_eq!(found(who("ci")).await, [5, 4, 3, 2, 1], "ci is not ci-2");
    assert_eq!(found(who("ci-2 (2b)")).await, [6]);
    let object = Query { object: Some("machine default/web/m1".into()), ..Query::default() };
    assert_eq!(found(object).await, [6, 2]);
    assert_eq!(found(Query { before: Some(3), ..Query::default() }).await, [2, 1]);
    let later = Timestamp::now() + Duration::from_secs(60);
    assert!(found(Query { since: Some(later), ..Query::default() }).await.is_empty());
}

async fn whatever_is_done_to_the_rows_shows(database: &Database) {
    let store = database.open().await;
    add(&store, 2500).await;
    let whole = store.verify_audit().await.unwrap();
    assert_eq!((whole.rows, whole.first, whole.last, whole.fault), (2500, 1, 2500, None));
    let keep = "CREATE TABLE kept AS SELECT * FROM audit; CREATE TABLE ends AS SELECT * FROM meta";
    database.meddle(keep).await;
    for (what, fault) in [
        ("DELETE FROM audit WHERE seq = 1200", "row 1200 is missing"),
        ("DELETE FROM audit WHERE seq > 2490", "row 2491 is missing"),
        ("DELETE FROM audit WHERE seq <= 10", "row 1 is missing"),
        ("DELETE FROM audit", "row 1 is missing"),
        ("UPDATE audit SET who = 'nobody' WHERE seq = 77", "row 77 was changed"),
        ("UPDATE audit SET detail = 'x', digest = 'y' WHERE seq = 2500", "row 2500 was changed"),
        ("UPDATE audit SET at = at + 1 WHERE seq = 3", "row 3 was changed"),
        (
            "DELETE FROM audit WHERE seq = 2500; \
             UPDATE meta SET value = replace(value, '2500', '2499') WHERE name = 'audit_head'",
            "the newest end of the chain was changed",
        ),
        ("DELETE FROM meta WHERE name = 'audit_head'", "the newest end of the chain was taken away"),
        (
            "DELETE FROM audit WHERE seq <= 5; \
             UPDATE meta SET value = replace(value, '\"seq\":0', '\"seq\":5') WHERE name = 'audit_start'",
            "the start of the chain was changed",
        ),
    ] {
        database.meddle(what).await;
        assert_eq!(store.verify_audit().await.unwrap().fault.as_deref(), Some(fault), "{what}");
        let back = "DELETE FROM audit; INSERT INTO audit SELECT * FROM kept; \
                    DELETE FROM meta; INSERT INTO meta SELECT * FROM ends";
        database.meddle(back).await;
        assert_eq!(store.verify_audit().await.unwrap().fault, None);
    }
}

async fn many_writers_make_one_chain(database: &Database) {
    let (one, two) = (database.open().await, database.open().await);
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..8 {
        let store = if number % 2 == 0 { one.clone() } else { two.clone() };
        writers.spawn(async move {
            for turn in 0..10 {
                let trail = Trail::new(entry("ci (1a)", &format!("network {number}-{turn}")));
                let put = network(&format!("n{number}-{turn}"), Intent::Create, 60);
                store.on_record(&trail).put(put).await.expect("put");
                store.add_to_audit(entry("ops (2b)", "")).await.expect("a row");
            }
        });
    }
    writers.join_all().await;
    let verdict = one.verify_audit().await.unwrap();
    assert_eq!((verdict.rows, verdict.fault), (160, None));
}

async fn old_rows_go_and_the_rest_is_still_a_chain(database: &Database) {
    let store = database.open().await;
    add(&store, 1500).await;
    let kept = Retention { audit: Duration::from_secs(3600), ..Retention::default() };
    store.sweep(kept, Timestamp::now()).await.unwrap();
    assert_eq!(store.verify_audit().await.unwrap().rows, 1500, "they are young");
    let none = Retention { audit: Duration::ZERO, ..Retention::default() };
    store.sweep(none, Timestamp::now() + Duration::from_secs(1)).await.unwrap();
    add(&store, 3).await;
    let verdict = store.verify_audit().await.unwrap();
    assert_eq!((verdict.rows, verdict.first, verdict.last, verdict.fault), (3, 1501, 1503, None));
}

async fn another_sealing_key_leaves_the_chain_whole(database: &Database) {
    let store = database.open().await;
    add(&store, 3).await;
    store.reseal(SealingKey::new(&[9; 32])).await.unwrap();
    add(&store, 3).await;
    store.close().await;
    let store = Store::open(database.url(), SealingKey::new(&[9; 32])).await.unwrap();
    let verdict = store.verify_audit().await.unwrap();
    assert_eq!((verdict.rows, verdict.fault), (6, None));
}

async fn nothing_but_retention_takes_rows_away(database: &Database) {
    // Not by what the code says but by what it does: everything that ends or sweeps is run over it.
    let store = database.open().await;
    add(&store, 3).await;
    let made = put_network(&store, "boot").await;
    store.delete(made.id(), made.raw.meta.incarnation).await.unwrap();
    rack::step(&store, made.id(), underlay_store::Decision::Gone, vec![]).await;
    let Retention { audit, .. } = Retention::default();
    let none = Retention { history: Duration::ZERO, tombstones: Duration::ZERO, audit };
    store.sweep(none, Timestamp::now() + Duration::from_secs(60)).await.unwrap();
    assert!(store.get(ObjectId(made.id().0)).await.unwrap().is_none(), "the tombstone went");
    assert_eq!(store.verify_audit().await.unwrap().rows, 3);
}

on_both_databases!(
    a_change_and_its_row_are_one,
    rows_are_found_by_who_what_and_when,
    whatever_is_done_to_the_rows_shows,
    many_writers_make_one_chain,
    old_rows_go_and_the_rest_is_still_a_chain,
    another_sealing_key_leaves_the_chain_whole,
    nothing_but_retention_takes_rows_away,
);
