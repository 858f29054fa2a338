//! Pools: who belongs to one, one host for each who waits, turns, and what failed.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod rack;

use rack::{commit, enters, lease, lease_all, put_host, put_host_of, put_network, put_pool, step, waits};
use underlay_core::{
    Effect, ErrorKind, Failure, ObjectId,
    observation::{Body, Source},
};
use underlay_store::{Decision, Error, Store, on_both_databases, testing::Database};

/// Something that can want a host; the store does not care that it is a network.
async fn machine(store: &Store, name: &str) -> ObjectId {
    let id = put_network(store, name).await.id();
    step(store, id, waits("a host"), vec![]).await;
    id
}

async fn want(store: &Store, machine: ObjectId, pool: ObjectId) {
    store.wake(machine).await.unwrap();
    step(store, machine, waits("a host"), vec![Effect::Want { pool }]).await;
}

async fn names(store: &Store, pool: ObjectId) -> Vec<String> {
    let members = store.members(pool).await.unwrap();
    members.into_iter().map(|(record, _)| record.raw.meta.key.to_string()).collect()
}

async fn a_host_belongs_to_the_pool_that_its_mention_means(database: &Database) {
    let store = database.open().await;
    for (owner, name, pool) in [
        ("web", "w1", "lab"),
        ("ops", "o1", "lab"),
        ("ops", "o2", "web/lab"),
        ("dev", "d1", "lab"),
        ("dev", "d2", "other"),
    ] {
        put_host_of(&store, owner, name, pool).await;
    }
    let web = put_pool(&store, "web", "lab").await;
    assert_eq!(
        names(&store, web).await,
        ["default/dev/d1", "default/ops/o1", "default/ops/o2", "default/web/w1"],
        "the only one of its name"
    );
    let ops = put_pool(&store, "ops", "lab").await;
    assert_eq!(names(&store, web).await, ["default/ops/o2", "default/web/w1"]);
    assert_eq!(names(&store, ops).await, ["default/ops/o1"], "whose mention is not clear belongs to neither");
}

async fn one_host_goes_to_one_of_those_who_wait_and_in_their_order(database: &Database) {
    let store = database.open().await;
    let pool = put_pool(&store, "web", "lab").await;
    let host = put_host(&store, "h1").await.id();
    let (first, second) = (machine(&store, "m1").await, machine(&store, "m2").await);
    step(&store, pool, enters("open"), vec![]).await;
    want(&store, first, pool).await;
    want(&store, second, pool).await;
    let waiting: Vec<_> = store.wants(pool).await.unwrap().into_iter().map(|raw| raw.meta.id).collect();
    assert_eq!(waiting, [first, second]);
    let census = store.census(pool).await.unwrap();
    assert_eq!((census.hosts, census.waiting, census.claimed), (1, 2, 0));

    // Both at once: the second finds the host taken, and nothing else is lost by it.
    let both = vec![Effect::Grant { host, machine: first }, Effect::Grant { host, machine: second }];
    step(&store, pool, waits("hosts"), both).await;
    assert_eq!(store.claim(first).await.unwrap(), Some(host));
    assert_eq!(store.claim(second).await.unwrap(), None);
    let left = store.wants(pool).await.unwrap();
    assert_eq!(left.len(), 1);
    let due: Vec<_> = lease_all(&store, "worker").await.into_iter().map(|lease| lease.id).collect();
    assert!(due.contains(&first) && due.contains(&host), "whoever got something is looked at");
    assert!(due.contains(&pool), "and so is the pool, which still owes one");
}

async fn a_host_that_is_handed_over_to_itself_is_nobodys_until_it_gives_itself_up(database: &Database) {
    let store = database.open().await;
    let pool = put_pool(&store, "web", "lab").await;
    let host = put_host(&store, "h1").await.id();
    let first = machine(&store, "m1").await;
    step(&store, host, enters("available"), vec![]).await;
    step(&store, pool, enters("open"), vec![]).await;
    want(&store, first, pool).await;
    step(&store, pool, waits("hosts"), vec![Effect::Grant { host, machine: first }]).await;
    assert_eq!(store.tenants(pool).await.unwrap().len(), 1);

    // In the same commit in which its machine is gone.
    store.wake(first).await.unwrap();
    step(&store, first, Decision::Gone, vec![Effect::HandOver { host }]).await;
    assert_eq!(store.holder(host).await.unwrap(), Some(host));
    let due: Vec<_> = lease_all(&store, "worker").await.into_iter().map(|lease| lease.id).collect();
    assert!(due.contains(&host), "its controller is to look at it");
    let census = store.census(pool).await.unwrap();
    assert_eq!((census.hosts, census.free, census.claimed), (1, 0, 0), "neither free nor a machine's");
    assert!(store.tenants(pool).await.unwrap().is_empty());
}

async fn whoever_waits_no_more_is_given_nothing(database: &Database) {
    let store = database.open().await;
    let pool = put_pool(&store, "web", "lab").await;
    let host = put_host(&store, "h1").await.id();
    let machine = machine(&store, "m1").await;
    step(&store, pool, enters("open"), vec![]).await;
    want(&store, machine, pool).await;
    store.wake(machine).await.unwrap();
    step(&store, machine, Decision::Gone, vec![]).await;
    step(&store, pool, waits("hosts"), vec![Effect::Grant { host, machine }]).await;
    assert_eq!(store.holder(host).await.unwrap(), None);
    assert_eq!(store.census(pool).await.unwrap().waiting, 0);
}

async fn a_pool_is_looked_at_when_one_of_its_hosts_comes_free(database: &Database) {
    let store = database.open().await;
    let pool = put_pool(&store, "web", "lab").await;
    let host = put_host(&store, "h1").await.id();
    let (first, second) = (machine(&store, "m1").await, machine(&store, "m2").await);
    step(&store, pool, enters("open"), vec![]).await;
    want(&store, first, pool).await;
    step(&store, pool, waits("hosts"), vec![Effect::Grant { host, machine: first }]).await;
    want(&store, second, pool).await;
    step(&store, pool, waits("hosts"), vec![]).await;
    step(&store, first, waits("nothing"), vec![Effect::Release { host }]).await;
    assert!(
        lease_all(&store, "worker").await.iter().any(|lease| lease.id == pool),
        "at once, as somebody waits"
    );
}

async fn no_more_are_disturbed_at_once_than_may_be(database: &Database) {
    let store = database.open().await;
    let pool = put_pool(&store, "web", "lab").await;
    let mut machines = Vec::new();
    for n in 0..6 {
        machines.push(machine(&store, &format!("m{n}")).await);
    }
    let mut leases = Vec::new();
    for id in &machines {
        store.wake(*id).await.unwrap();
        leases.push(lease(&store, *id, "worker").await);
    }
    let mut begun = tokio::task::JoinSet::new();
    for lease in leases {
        let store = store.clone();
        begun.spawn(async move {
            let disturb = vec![Effect::Disturb { pool, limit: 2 }];
            match commit(&store, &lease, waits("work"), disturb).await {
                Ok(()) => true,
                Err(Error::Crowded { pool: of }) => {
                    assert_eq!(of, pool);
                    let wait = vec![Effect::AwaitTurn { pool }];
                    commit(&store, &lease, waits("its turn"), wait).await.unwrap();
                    false
                }
                Err(other) => panic!("{other}"),
            }
        });
    }
    let begun = begun.join_all().await.into_iter().filter(|begun| *begun).count();
    assert_eq!(begun, 2);
    let disturbed = store.census(pool).await.unwrap().disturbed;
    assert_eq!(disturbed.len(), 2);

    let ready = machines.iter().copied();
    let mut turns = 2;
    for id in ready {
        store.wake(id).await.unwrap();
        step(&store, id, waits("as it should be"), vec![Effect::Settle]).await;
        turns = turns.min(store.census(pool).await.unwrap().disturbed.len());
    }
    assert_eq!(turns, 0, "whoever is as it should be gives its turn back");
}

async fn failures_that_had_something_in_common_are_remembered_until_one_goes_well(database: &Database) {
    let store = database.open().await;
    let pool = put_pool(&store, "web", "lab").await;
    let shared = vec![("image".to_owned(), "sha256:aa".to_owned())];
    let mut hosts = Vec::new();
    for n in 0..3 {
        let host = put_host(&store, &format!("h{n}")).await.id();
        hosts.push(host);
        let id = machine(&store, &format!("m{n}")).await;
        let failure =
            Failure::new(ErrorKind::Permanent, "writing", "the disk is dead", "set aside", "repair it");
        store.wake(id).await.unwrap();
        let accuse = Effect::Accuse { host, pool, failure: Box::new(failure), shared: shared.clone() };
        step(&store, id, waits("another"), vec![accuse]).await;
        let seen = store.observations(host).await.unwrap();
        let accused = seen.iter().find(|seen| seen.source == Source::Accuser).unwrap();
        assert!(matches!(&accused.body, Body::Accused { machine, .. } if *machine == format!("m{n}")));
    }
    hosts.sort_unstable();
    let mut accused = store.accused(pool, &shared[0]).await.unwrap();
    accused.sort_unstable();
    assert_eq!(accused, hosts);
    let id = machine(&store, "good").await;
    store.wake(id).await.unwrap();
    step(&store, id, waits("nothing"), vec![Effect::Absolve { pool, shared: shared.clone() }]).await;
    assert!(store.accused(pool, &shared[0]).await.unwrap().is_empty());
}

on_both_databases!(
    a_host_belongs_to_the_pool_that_its_mention_means,
    one_host_goes_to_one_of_those_who_wait_and_in_their_order,
    whoever_waits_no_more_is_given_nothing,
    a_host_that_is_handed_over_to_itself_is_nobodys_until_it_gives_itself_up,
    a_pool_is_looked_at_when_one_of_its_hosts_comes_free,
    no_more_are_disturbed_at_once_than_may_be,
    failures_that_had_something_in_common_are_remembered_until_one_goes_well,
);
