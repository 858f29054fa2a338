//! Who is looked at when what machines inherit changes: those that have profiles, on the pool's hosts or in the site, and
//! nobody else.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod rack;

use rack::{key, lease_all, put_host, put_host_of, step, update, waits};
use underlay_core::{
    Effect, ObjectId,
    machine::{Machine, RootHint, Spec, WaitFor},
    pool::{self, Pool},
    profile::{self, Profile},
    site::{self, Site},
};
use underlay_store::{Intent, PutRequest, Store, on_both_databases, testing::Database};

async fn put_machine(store: &Store, name: &str, host: ObjectId, profiles: &[&str]) -> ObjectId {
    let spec = Spec {
        hostname: "web".into(),
        image: format!("debian@sha256:{}", "a".repeat(64)),
        host: Some("h".into()),
        require: None,
        spread: None,
        root: RootHint::default(),
        volumes: Default::default(),
        network: None,
        ssh_keys: Vec::new(),
        user_data_digest: None,
        profiles: profiles.iter().map(|name| (*name).to_owned()).collect(),
        values: Default::default(),
        secret_values: None,
        steps: Default::default(),
        allow_disruption: Default::default(),
        redeploy: Default::default(),
        wait_for: WaitFor::Booted,
    };
    let request = PutRequest::new::<Machine>(key("web", name), &spec, Intent::Create).unwrap();
    let id = store.put(request).await.unwrap().record.id();
    step(store, id, waits("nothing"), vec![Effect::Claim { host }]).await;
    id
}

async fn due(store: &Store) -> Vec<ObjectId> {
    lease_all(store, "worker").await.into_iter().map(|lease| lease.id).collect()
}

fn values() -> profile::Values {
    [("mtu".to_owned(), serde_json::json!(9000))].into()
}

async fn what_a_pool_says_concerns_the_heirs_on_its_hosts(database: &Database) {
    let store = database.open().await;
    let request = PutRequest::new::<Pool>(key("web", "lab"), &pool::Spec::default(), Intent::Create).unwrap();
    let lab = store.put(request).await.unwrap().record;
    let (one, two) = (put_host(&store, "h1").await.id(), put_host(&store, "h2").await.id());
    let other = put_host_of(&store, "web", "h3", "other").await.id();
    let heir = put_machine(&store, "heir", one, &["base"]).await;
    let plain = put_machine(&store, "plain", two, &[]).await;
    let elsewhere = put_machine(&store, "elsewhere", other, &["base"]).await;
    due(&store).await;

    let spec = pool::Spec { values: values(), ..pool::Spec::default() };
    let incarnation = lab.raw.meta.incarnation;
    let request = PutRequest::new::<Pool>(key("web", "lab"), &spec, update(incarnation)).unwrap();
    store.put(request).await.unwrap();
    let due = due(&store).await;
    assert!(due.contains(&heir), "{due:?}");
    assert!(!due.contains(&plain) && !due.contains(&elsewhere), "{due:?}");
}

async fn what_a_site_says_concerns_whoever_has_profiles_in_it(database: &Database) {
    let store = database.open().await;
    let (one, two) = (put_host(&store, "h1").await.id(), put_host(&store, "h2").await.id());
    let heir = put_machine(&store, "heir", one, &["base"]).await;
    let plain = put_machine(&store, "plain", two, &[]).await;
    due(&store).await;

    let spec = site::Spec { values: values() };
    store.put(PutRequest::new::<Site>(key("ops", "default"), &spec, Intent::Create).unwrap()).await.unwrap();
    let due = due(&store).await;
    assert!(due.contains(&heir) && !due.contains(&plain), "{due:?}");
}

async fn what_a_profile_says_concerns_those_that_name_it(database: &Database) {
    let store = database.open().await;
    let (one, two) = (put_host(&store, "h1").await.id(), put_host(&store, "h2").await.id());
    let heir = put_machine(&store, "heir", one, &["base"]).await;
    let other = put_machine(&store, "other", two, &["web"]).await;
    due(&store).await;

    let spec = profile::Spec { values: values(), ..profile::Spec::default() };
    store.put(PutRequest::new::<Profile>(key("web", "base"), &spec, Intent::Create).unwrap()).await.unwrap();
    let due = due(&store).await;
    assert!(due.contains(&heir) && !due.contains(&other), "{due:?}");
}

on_both_databases!(
    what_a_pool_says_concerns_the_heirs_on_its_hosts,
    what_a_site_says_concerns_whoever_has_profiles_in_it,
    what_a_profile_says_concerns_those_that_name_it,
);
