//! A small rack to put into a store, and the one step a test commits.
#![allow(dead_code, reason = "each test file uses its part")]

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use underlay_core::{
    Effect, Incarnation, Key, Kind, ObjectId,
    host::{Boot, Driver, Host, Identity, OnDestroy, Qemu},
    network::{Dhcp, Mode, Network},
    pool::Pool,
};
use underlay_store::{
    Commit, Decision, Entered, Error, Intent, Lease, PutOutcome, PutRequest, Record, Store,
};

pub const LEASE: Duration = Duration::from_secs(60);

pub fn key(owner: &str, name: &str) -> Key {
    Key {
        site: "default".parse().expect("a name"),
        owner: owner.parse().expect("a name"),
        name: name.parse().expect("a name"),
    }
}

pub fn network_spec(lease_seconds: u32) -> underlay_core::network::Spec {
    underlay_core::network::Spec {
        cidr: "10.12.0.0/22".parse().expect("a segment"),
        gateway: None,
        dns: Vec::new(),
        domain: None,
        dhcp: Dhcp { mode: Mode::Off, range: None, interface: None, lease_seconds },
        unknown: None,
        reservations: Default::default(),
    }
}

/// A Put of the network `web/NAME`.
pub fn network(name: &str, intent: Intent, lease_seconds: u32) -> PutRequest {
    owned_network("web", name, intent, lease_seconds)
}

pub fn owned_network(owner: &str, name: &str, intent: Intent, lease_seconds: u32) -> PutRequest {
    PutRequest::new::<Network>(key(owner, name), &network_spec(lease_seconds), intent).expect("a request")
}

/// Makes the network `web/NAME`.
pub async fn put_network(store: &Store, name: &str) -> Record {
    let put = store.put(network(name, Intent::Create, 60)).await.expect("put");
    assert_eq!(put.outcome, PutOutcome::Created);
    put.record
}

/// Makes the host `web/NAME`, in pool `lab`.
pub async fn put_host(store: &Store, name: &str) -> Record {
    put_host_of(store, "web", name, "lab").await
}

/// Makes the host `OWNER/NAME`, in that pool.
pub async fn put_host_of(store: &Store, owner: &str, name: &str, pool: &str) -> Record {
    let qemu =
        Qemu { cpus: 1, memory: "1GiB".parse().expect("a size"), disks: vec![], forward: vec![], tap: None };
    let spec = underlay_core::host::Spec {
        pool: pool.into(),
        labels: [("rack".to_owned(), name.to_owned())].into(),
        identity: Identity::default(),
        boot: Boot::default(),
        driver: Driver::Qemu(qemu),
        protected: false,
        on_destroy: OnDestroy::Forget,
    };
    let request = PutRequest::new::<Host>(key(owner, name), &spec, Intent::Create).expect("a request");
    store.put(request).await.expect("put").record
}

/// Makes the pool `OWNER/NAME`.
pub async fn put_pool(store: &Store, owner: &str, name: &str) -> ObjectId {
    let spec = underlay_core::pool::Spec::default();
    let request = PutRequest::new::<Pool>(key(owner, name), &spec, Intent::Create).expect("a request");
    store.put(request).await.expect("put").record.id()
}

pub fn update(incarnation: Incarnation) -> Intent {
    Intent::Update { incarnation }
}

pub fn all_kinds() -> BTreeSet<Kind> {
    Kind::ALL.into()
}

/// Leases everything that is due.
pub async fn lease_all(store: &Store, owner: &str) -> Vec<Lease> {
    store.lease_next(owner, &all_kinds(), 100, Timestamp::now(), LEASE).await.expect("lease").0
}

/// Leases one object that must be due.
pub async fn lease(store: &Store, id: ObjectId, owner: &str) -> Lease {
    let mut mine = None;
    for lease in lease_all(store, owner).await {
        if lease.id == id {
            mine = Some(lease);
        } else {
            store.release(&lease, Timestamp::now()).await.expect("release");
        }
    }
    mine.expect("the object is due")
}

pub fn enters(phase: &str) -> Decision {
    Decision::Advance(Entered {
        state: serde_json::json!({ "state": phase }),
        phase: phase.into(),
        settled: false,
    })
}

pub fn waits(reason: &str) -> Decision {
    Decision::Wait { reason: reason.into(), again: Duration::from_secs(3600), amount: None }
}

/// Commits a step of the leased object as it stands now.
pub async fn commit(
    store: &Store,
    lease: &Lease,
    decision: Decision,
    effects: Vec<Effect>,
) -> Result<(), Error> {
    let base = store.snapshot(lease.id).await?.expect("the object is there");
    commit_on(store, lease, &base, decision, effects).await
}

pub async fn commit_on(
    store: &Store,
    lease: &Lease,
    base: &underlay_store::commit::Base,
    decision: Decision,
    effects: Vec<Effect>,
) -> Result<(), Error> {
    let decided_at = "rack:1".to_owned();
    let now = Timestamp::now();
    store.commit(Commit { lease, base, decision, status: None, effects, decided_at, now }).await
}

/// The same, going on with the lease where the object is due again at once.
pub async fn commit_and_keep(
    store: &Store,
    lease: &Lease,
    decision: Decision,
) -> Result<Option<Lease>, Error> {
    let base = store.snapshot(lease.id).await?.expect("the object is there");
    let (decided_at, now, effects) = ("rack:1".to_owned(), Timestamp::now(), Vec::new());
    let commit = Commit { lease, base: &base, decision, status: None, effects, decided_at, now };
    store.commit_and_keep(commit, LEASE).await
}

/// Leases and steps an object once.
pub async fn step(store: &Store, id: ObjectId, decision: Decision, effects: Vec<Effect>) {
    let lease = lease(store, id, "worker").await;
    commit(store, &lease, decision, effects).await.expect("commit");
}
