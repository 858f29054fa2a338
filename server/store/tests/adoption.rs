//! Adoption: a token makes no more hosts than it is good for, one key has one home, and a claim puts out who lived there.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod rack;

use std::time::Duration;

use jiff::Timestamp;
use rack::{commit, enters, key, lease, put_host, put_network, step};
use underlay_core::{
    Effect, ObjectId,
    agent::Inventory,
    host::{Boot, Driver, Host, Identity, OnDestroy, Spec},
    observation::{Body, Observation, Source},
    resident::{Line, System},
};
use underlay_store::{
    Decision, Error, Intent, PutRequest, Store,
    adoption::{Adopted, Home, Newcomer, Offer, Terms},
    on_both_databases,
    testing::Database,
};

fn terms() -> Terms {
    Terms {
        site: "default".parse().unwrap(),
        owner: "web".parse().unwrap(),
        pool: "default".into(),
        name: None,
        labels: Default::default(),
        again: None,
        by: "ops (1)".into(),
    }
}

async fn offer(store: &Store, token: &str, uses: u32) {
    let expires_at = Timestamp::now() + Duration::from_secs(3600);
    store.offer_adoption(&Offer { digest: token.into(), terms: terms(), uses, expires_at }).await.unwrap();
}

fn new(name: &str) -> Home {
    let spec = Spec {
        pool: "default".into(),
        labels: Default::default(),
        identity: Identity::default(),
        boot: Boot::default(),
        driver: Driver::None,
        protected: true,
        on_destroy: OnDestroy::Forget,
    };
    Home::New(Box::new(PutRequest::new::<Host>(key("web", name), &spec, Intent::Create).unwrap()))
}

async fn adopt(store: &Store, token: &str, agent: &str, home: Home) -> Result<Adopted, Error> {
    let who = Newcomer { token, key: agent, box_: None };
    store.adopt(&who, home, &terms()).await
}

fn home(adopted: Adopted) -> ObjectId {
    match adopted {
        Adopted::Home(host) | Adopted::Again(host) => host,
        other => panic!("{other:?}"),
    }
}

async fn of_all_who_bring_a_token_as_many_get_a_home_as_it_is_good_for(database: &Database) {
    let stores = [database.open().await, database.open().await];
    offer(&stores[0], "t", 2).await;
    let mut racers = tokio::task::JoinSet::new();
    for number in 0..8 {
        let store = stores[number % 2].clone();
        racers.spawn(async move {
            adopt(&store, "t", &format!("key-{number}"), new(&format!("h{number}"))).await.unwrap()
        });
    }
    let answers = racers.join_all().await;
    let homes = answers.iter().filter(|answer| matches!(answer, Adopted::Home(_))).count();
    let void = answers.iter().filter(|answer| matches!(answer, Adopted::Void)).count();
    assert_eq!((homes, void), (2, 6), "{answers:?}");
    let listed = stores[0].list(underlay_core::Kind::Host, &Default::default(), None, 100).await.unwrap();
    assert_eq!(listed.records.len(), 2, "nothing is left of the others");
}

async fn one_key_has_one_home_and_what_is_refused_spends_nothing(database: &Database) {
    let store = database.open().await;
    offer(&store, "t", 2).await;
    let first = home(adopt(&store, "t", "key-1", new("h1")).await.unwrap());
    let again = adopt(&store, "unknown", "key-1", new("h2")).await.unwrap();
    assert_eq!(again, Adopted::Again(first));
    let taken = adopt(&store, "t", "key-2", new("h1")).await.unwrap_err();
    assert!(matches!(taken, Error::AlreadyExists { id, .. } if id == first), "{taken:?}");
    let occupied = adopt(&store, "t", "key-2", Home::Known(first)).await.unwrap();
    assert_eq!(occupied, Adopted::Occupied(first));
    assert_eq!(store.resident(first).await.unwrap().as_deref(), Some("key-1"));
    home(adopt(&store, "t", "key-2", new("h2")).await.unwrap());
    assert_eq!(adopt(&store, "t", "key-3", new("h3")).await.unwrap(), Adopted::Void);
    let late = Timestamp::now() + Duration::from_secs(7200);
    offer(&store, "brief", 1).await;
    assert_eq!(store.adoption("brief", late).await.unwrap(), None);
}

async fn a_host_that_is_claimed_or_gone_is_nobodys_home(database: &Database) {
    let store = database.open().await;
    let (claimed, gone) = (put_host(&store, "h1").await.id(), put_host(&store, "h2").await.id());
    offer(&store, "t", 2).await;
    for (agent, host) in [("key-1", claimed), ("key-2", gone)] {
        assert_eq!(adopt(&store, "t", agent, Home::Known(host)).await.unwrap(), Adopted::Home(host));
    }
    let machine = put_network(&store, "m").await.id();
    step(&store, machine, enters("claiming"), vec![Effect::Claim { host: claimed }]).await;
    assert_eq!(store.resident(claimed).await.unwrap(), None, "whoever has it may write over the agent");
    store.wake(gone).await.unwrap();
    let lease = lease(&store, gone, "a").await;
    commit(&store, &lease, Decision::Gone, vec![]).await.unwrap();
    assert_eq!(store.home("key-2").await.unwrap(), None);
}

async fn a_line_that_ends_does_not_speak_for_one_that_was_noted_after_it(database: &Database) {
    let store = database.open().await;
    let host = put_host(&store, "h1").await.id();
    let seen = |line, seconds: i64| Observation {
        id: host,
        source: Source::Resident,
        at: Timestamp::from_second(1_700_000_000 + seconds).unwrap(),
        body: Body::Resident {
            line,
            system: Box::new(System::default()),
            inventory: Box::new(Inventory::default()),
            written: Default::default(),
        },
    };
    let (old, new) = (seen(Line::Open, 1), seen(Line::Open, 2));
    store.observe(&old).await.unwrap();
    store.observe(&new).await.unwrap();
    store.observe_after(old.at, &seen(Line::Closed, 3)).await.unwrap();
    assert_eq!(store.observations(host).await.unwrap(), std::slice::from_ref(&new));
    store.observe_after(new.at, &seen(Line::Closed, 4)).await.unwrap();
    assert_eq!(store.observations(host).await.unwrap(), [seen(Line::Closed, 4)]);
}

on_both_databases!(
    of_all_who_bring_a_token_as_many_get_a_home_as_it_is_good_for,
    one_key_has_one_home_and_what_is_refused_spends_nothing,
    a_host_that_is_claimed_or_gone_is_nobodys_home,
    a_line_that_ends_does_not_speak_for_one_that_was_noted_after_it,
);
