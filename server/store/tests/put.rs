//! Put, confirm and delete: who gets an object, and who is refused.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod rack;

use rack::{key, network, owned_network, put_host, put_network, step, update};
use underlay_core::{Incarnation, Kind, ObjectId};
use underlay_store::{
    Decision, Deletion, Error, Filter, Intent, PutOutcome, Retry, on_both_databases, operation::Ending,
    operation::Verb, testing::Database,
};

async fn a_create_makes_an_object_once_and_queues_it(database: &Database) {
    let store = database.open().await;
    let made = put_network(&store, "boot").await;
    assert_eq!((made.raw.meta.generation, made.raw.meta.observed_generation), (1, 0));
    assert_eq!(made.phase, "pending");
    assert!(!made.raw.meta.confirmed);
    assert!(made.raw.progress.next_run_at.is_some(), "it is due at once");
    let found = store.get_by_key(Kind::Network, &key("web", "boot")).await.expect("get").expect("there");
    assert_eq!(found.id(), made.id());
    let operations = store.operations(Some(made.id()), 10).await.expect("operations");
    assert_eq!((operations[0].verb, operations[0].generation), (Verb::Create, 1));
}

async fn what_nobody_asked_for_by_its_name_never_takes_over_what_is_there(database: &Database) {
    let store = database.open().await;
    let found = store.put(network("found", Intent::Found, 60)).await.expect("made");
    assert_eq!(found.outcome, PutOutcome::Created);
    let made = put_network(&store, "boot").await;
    for name in ["boot", "found"] {
        let error = store.put(network(name, Intent::Found, 90)).await.expect_err("refused");
        assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    }
    let same = store.get(made.id()).await.expect("get").expect("there");
    assert_eq!((same.raw.meta.generation, same.raw.meta.incarnation), (1, made.raw.meta.incarnation));
    let adopted = store.put(network("found", Intent::Create, 90)).await.expect("whoever asks for it gets it");
    assert_eq!(adopted.outcome, PutOutcome::Adopted);
}

async fn many_are_read_at_once(database: &Database) {
    let store = database.open().await;
    let mut ids = Vec::new();
    // More than one statement holds, with a number that is no power of two.
    for number in 0..300 {
        ids.push(put_network(&store, &format!("n-{number}")).await.id());
    }
    let unknown = ObjectId::new();
    let asked: Vec<_> = ids.iter().copied().chain([unknown, ids[7], ids[7]]).collect();
    let found = store.batch_get(&asked).await.expect("read");
    assert_eq!(found.len(), ids.len());
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(found[id].raw.meta.key.name.as_str(), format!("n-{number}"));
    }
    assert!(store.batch_get(&[]).await.expect("read").is_empty());
}

async fn a_create_adopts_what_was_never_confirmed(database: &Database) {
    let store = database.open().await;
    let first = put_network(&store, "boot").await;
    let second = store.put(network("boot", Intent::Create, 60)).await.expect("adopts");
    assert_eq!(second.outcome, PutOutcome::Adopted);
    assert_eq!(second.record.id(), first.id());
    assert_ne!(second.record.raw.meta.incarnation, first.raw.meta.incarnation);
    assert_eq!(second.record.raw.meta.generation, 1, "the same spec is no new work");
    let third = store.put(network("boot", Intent::Create, 90)).await.expect("adopts");
    assert_eq!((third.outcome, third.record.raw.meta.generation), (PutOutcome::Adopted, 2));
}

async fn a_create_never_adopts_what_is_in_a_state(database: &Database) {
    let store = database.open().await;
    let first = put_network(&store, "boot").await;
    store.confirm(first.id(), Incarnation::new()).await.expect("a foreign incarnation confirms nothing");
    store.put(network("boot", Intent::Create, 60)).await.expect("still adopts");
    let current = store.get(first.id()).await.expect("get").expect("there").raw.meta.incarnation;
    store.confirm(first.id(), current).await.expect("confirm");
    let error = store.put(network("boot", Intent::Create, 60)).await.expect_err("refused");
    assert!(matches!(error, Error::AlreadyExists { id, .. } if id == first.id()), "{error}");
}

async fn an_update_confirms_what_it_updates(database: &Database) {
    let store = database.open().await;
    let made = put_network(&store, "boot").await;
    store.put(network("boot", update(made.raw.meta.incarnation), 60)).await.expect("update");
    let error = store.put(network("boot", Intent::Create, 60)).await.expect_err("refused");
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
}

async fn two_owners_have_the_same_name(database: &Database) {
    let store = database.open().await;
    let web = store.put(owned_network("web", "boot", Intent::Create, 60)).await.expect("web's");
    let ops = store.put(owned_network("ops", "boot", Intent::Create, 60)).await.expect("ops'");
    assert_eq!((web.outcome, ops.outcome), (PutOutcome::Created, PutOutcome::Created));
    assert_ne!(web.record.id(), ops.record.id());
    let own = store.resolve(&key("ops", "x"), Kind::Network, "boot").await.expect("resolve");
    assert_eq!(own.map(|record| record.id()), Some(ops.record.id()), "one's own comes first");
    let other = store.resolve(&key("third", "x"), Kind::Network, "boot").await.expect("resolve");
    assert!(other.is_none(), "between two of others nobody guesses");
    let named = store.resolve(&key("third", "x"), Kind::Network, "web/boot").await.expect("resolve");
    assert_eq!(named.map(|record| record.id()), Some(web.record.id()));
}

async fn a_repeated_request_changes_nothing(database: &Database) {
    let store = database.open().await;
    let mut request = network("boot", Intent::Create, 60);
    request.request_id = "r1".into();
    let first = store.put(request.clone()).await.expect("put");
    let again = store.put(request).await.expect("put again");
    assert_eq!(again.outcome, PutOutcome::Unchanged);
    assert_eq!(again.record.raw.meta.incarnation, first.record.raw.meta.incarnation);
    let mut retry = network("boot", update(first.record.raw.meta.incarnation), 60);
    retry.request_id = "r2".into();
    retry.retry = Retry::Always;
    assert_eq!(store.put(retry.clone()).await.expect("retry").record.raw.meta.generation, 2);
    assert_eq!(store.put(retry).await.expect("retry again").record.raw.meta.generation, 2);
}

async fn only_a_changed_spec_or_a_retry_is_new_work(database: &Database) {
    let store = database.open().await;
    let made = put_network(&store, "boot").await;
    let intent = update(made.raw.meta.incarnation);
    let same = store.put(network("boot", intent, 60)).await.expect("same");
    assert_eq!((same.outcome, same.record.raw.meta.generation), (PutOutcome::Unchanged, 1));
    let mut retry = network("boot", intent, 60);
    retry.retry = Retry::Always;
    let retried = store.put(retry).await.expect("retry");
    assert_eq!((retried.outcome, retried.record.raw.meta.generation), (PutOutcome::Updated, 2));
    let mut changed = network("boot", intent, 90);
    changed.expected_generation = Some(1);
    let error = store.put(changed.clone()).await.expect_err("the plan is old");
    assert!(matches!(error, Error::Moved { expected: 1, found: 2, .. }), "{error}");
    changed.expected_generation = Some(2);
    assert_eq!(store.put(changed).await.expect("changed").record.raw.meta.generation, 3);
    let endings: Vec<_> =
        store.operations(Some(made.id()), 10).await.expect("operations").iter().map(|o| o.ending).collect();
    assert_eq!(endings, [None, Some(Ending::Superseded), Some(Ending::Superseded)]);
}

async fn a_stale_incarnation_can_neither_update_nor_delete(database: &Database) {
    let store = database.open().await;
    let old = put_network(&store, "boot").await;
    let new = store.put(network("boot", Intent::Create, 60)).await.expect("adopts").record;
    let error = store.put(network("boot", update(old.raw.meta.incarnation), 90)).await.expect_err("refused");
    assert!(matches!(error, Error::Stale { .. }), "{error}");
    let deletion = store.delete(old.id(), old.raw.meta.incarnation).await.expect("delete");
    assert!(matches!(deletion, Deletion::Stale), "{deletion:?}");
    let left = store.get(new.id()).await.expect("get").expect("there");
    assert!(left.raw.meta.deleted_at.is_none(), "the successor is not touched");
}

async fn a_deleted_object_is_refused_until_it_is_gone_and_then_made_anew(database: &Database) {
    let store = database.open().await;
    let made = put_network(&store, "boot").await;
    let incarnation = made.raw.meta.incarnation;
    let deletion = store.delete(made.id(), incarnation).await.expect("delete");
    let Deletion::Wanted(deleting) = deletion else { panic!("{deletion:?}") };
    assert_eq!(deleting.raw.meta.generation, 2);
    for intent in [Intent::Create, update(incarnation)] {
        let error = store.put(network("boot", intent, 60)).await.expect_err("refused");
        assert!(matches!(error, Error::Deleting { .. }), "{error}");
    }
    step(&store, made.id(), Decision::Gone, vec![]).await;
    let tombstone = store.get(made.id()).await.expect("get").expect("a tombstone");
    assert!(tombstone.raw.meta.purged_at.is_some());
    assert!(matches!(store.delete(made.id(), incarnation).await, Ok(Deletion::Gone)));
    let error = store.put(network("boot", update(incarnation), 60)).await.expect_err("gone");
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    assert_ne!(put_network(&store, "boot").await.id(), made.id());
}

async fn racing_creates_make_one_object(database: &Database) {
    let store = database.open().await;
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let store = store.clone();
        racers
            .spawn(async move { store.put(network("boot", Intent::Create, 60)).await.expect("put").outcome });
    }
    let outcomes = racers.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == PutOutcome::Created).count(), 1, "{outcomes:?}");
    let page = store.list(Kind::Network, &Filter::default(), None, 10).await.expect("list");
    assert_eq!(page.records.len(), 1);
}

async fn a_list_comes_in_pages_and_by_label(database: &Database) {
    let store = database.open().await;
    let mut made = Vec::new();
    for name in ["r1", "r2", "r3", "r4", "r5"] {
        made.push(put_host(&store, name).await.id());
    }
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = store.list(Kind::Host, &Filter::default(), after, 2).await.expect("list");
        assert!(page.records.len() <= 2);
        listed.extend(page.records.iter().map(|record| record.id()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(listed, made);
    for (limit, rest) in [(4, Some(made[3])), (5, None), (6, None)] {
        let page = store.list(Kind::Host, &Filter::default(), None, limit).await.expect("list");
        assert_eq!((page.records.len(), page.next), (limit.min(5), rest), "a page of {limit}");
    }
    let filter = Filter { labels: [("rack".to_owned(), "r3".to_owned())].into(), ..Filter::default() };
    let page = store.list(Kind::Host, &filter, None, 10).await.expect("list");
    assert_eq!(page.records.iter().map(|record| record.id()).collect::<Vec<_>>(), [made[2]]);
    let filter = Filter { owner: Some("nobody".parse().expect("a name")), ..Filter::default() };
    assert!(store.list(Kind::Host, &filter, None, 10).await.expect("list").records.is_empty());
}

async fn two_servers_that_start_at_once_make_one_schema(database: &Database) {
    let mut servers = tokio::task::JoinSet::new();
    let url = database.url().to_owned();
    for _ in 0..4 {
        let url = url.clone();
        servers.spawn(async move {
            let key = underlay_store::SealingKey::new(&[7; 32]);
            underlay_store::Store::open(&url, key).await.map(|_| ())
        });
    }
    for opened in servers.join_all().await {
        opened.expect("opens");
    }
    put_network(&database.open().await, "boot").await;
}

on_both_databases!(
    a_create_makes_an_object_once_and_queues_it,
    many_are_read_at_once,
    what_nobody_asked_for_by_its_name_never_takes_over_what_is_there,
    a_create_adopts_what_was_never_confirmed,
    a_create_never_adopts_what_is_in_a_state,
    an_update_confirms_what_it_updates,
    two_owners_have_the_same_name,
    a_repeated_request_changes_nothing,
    only_a_changed_spec_or_a_retry_is_new_work,
    a_stale_incarnation_can_neither_update_nor_delete,
    a_deleted_object_is_refused_until_it_is_gone_and_then_made_anew,
    racing_creates_make_one_object,
    a_list_comes_in_pages_and_by_label,
    two_servers_that_start_at_once_make_one_schema,
);
