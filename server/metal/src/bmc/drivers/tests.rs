//! What outlives a call: queues by address, sessions by what they were opened under.

use jiff::Timestamp;
use underlay_core::{
    Incarnation, Key, Kind, Name, Standing,
    host::{Boot, Identity, OnDestroy, Tls},
    object::Meta,
    observation::{Observation as Seen, Source},
    view::{self, RawObject},
};

use super::*;

/// A view that knows one credential.
struct Only(&'static str);

#[async_trait]
impl underlay_core::Brakes for Only {
    async fn hold(&self, _: &underlay_core::brake::Scope) -> Result<underlay_core::brake::Hold, view::Error> {
        Ok(Default::default())
    }
}

#[async_trait]
impl View for Only {
    async fn by_id(&self, _: ObjectId) -> Result<Option<RawObject>, view::Error> {
        Ok(None)
    }

    async fn by_name(&self, _: &Key, _: Kind, _: &str) -> Result<Option<RawObject>, view::Error> {
        Ok(None)
    }

    async fn observation(&self, _: ObjectId, _: Source) -> Result<Option<Seen>, view::Error> {
        Ok(None)
    }

    async fn holder(&self, _: ObjectId) -> Result<Option<ObjectId>, view::Error> {
        Ok(None)
    }

    async fn claim(&self, _: ObjectId) -> Result<Option<ObjectId>, view::Error> {
        Ok(None)
    }

    async fn wants(&self, _: ObjectId) -> Result<Vec<RawObject>, view::Error> {
        Ok(Vec::new())
    }

    async fn members(&self, _: ObjectId) -> Result<Vec<(RawObject, Option<ObjectId>)>, view::Error> {
        Ok(Vec::new())
    }

    async fn tenants(&self, _: ObjectId) -> Result<Vec<RawObject>, view::Error> {
        Ok(Vec::new())
    }

    async fn census(&self, _: ObjectId) -> Result<view::Census, view::Error> {
        Ok(view::Census::default())
    }

    async fn accused(&self, _: ObjectId, _: &(String, String)) -> Result<Vec<ObjectId>, view::Error> {
        Ok(Vec::new())
    }

    async fn credential(&self, _: &Key, name: &str) -> Result<Option<(String, SecretString)>, view::Error> {
        Ok((name == "bmc").then(|| ("root".into(), self.0.into())))
    }

    async fn cancellation(&self, _: ObjectId) -> Result<Option<underlay_core::Cancellation>, view::Error> {
        Ok(None)
    }

    async fn secret(&self, _: ObjectId, _: &str) -> Result<Option<SecretString>, view::Error> {
        Ok(None)
    }
}

fn drivers() -> Drivers {
    let qemu = qemu::Config::new("/nonexistent".into(), "http://10.0.2.2:1/".into());
    Drivers::new(Config { qemu, bmc_pause: Duration::ZERO, events: None })
}

fn host(credential: &str) -> Object<Host> {
    let redfish = host::Redfish {
        address: "https://127.0.0.1:1".into(),
        credential: credential.into(),
        tls: Tls::Pin,
        system: None,
    };
    let now = Timestamp::UNIX_EPOCH;
    Object {
        meta: Meta {
            kind: Kind::Host,
            id: ObjectId::new(),
            key: Key { site: Name::default(), owner: Name::default(), name: Name::default() },
            incarnation: Incarnation::new(),
            confirmed: false,
            generation: 1,
            observed_generation: 0,
            revision: 1,
            created_at: now,
            deleted_at: None,
            purged_at: None,
        },
        spec: host::Spec {
            pool: "lab".into(),
            labels: Default::default(),
            identity: Identity::default(),
            boot: Boot::default(),
            driver: Driver::Redfish(redfish),
            protected: false,
            on_destroy: OnDestroy::Forget,
        },
        state: host::State::default(),
        status: host::Status::default(),
        progress: Standing {
            since: now,
            evidence_at: now,
            waiting_for: None,
            amount: None,
            next_run_at: None,
            failure: None,
            held: None,
            decided_at: String::new(),
            attempts: 0,
        },
    }
}

/// Which session the host has now.
async fn session(drivers: &Drivers, host: &Object<Host>, view: &Only) -> *const Redfish {
    drivers.bmc(host, view).await.expect("a driver");
    let sessions = drivers.held.sessions.lock().expect("whole");
    Arc::as_ptr(&sessions[&host.meta.id].driver)
}

#[tokio::test]
async fn a_session_is_kept_until_what_it_was_opened_under_changes() {
    let (drivers, mut host) = (drivers(), host("bmc"));
    let first = session(&drivers, &host, &Only("old")).await;
    assert_eq!(session(&drivers, &host, &Only("old")).await, first);
    let keep = drivers.held.sessions.lock().expect("whole")[&host.meta.id].driver.clone();
    assert_ne!(session(&drivers, &host, &Only("new")).await, first, "another password");
    drop(keep);
    let before = drivers.held.sessions.lock().expect("whole")[&host.meta.id].driver.clone();
    host.status.pinned_certificate = Some("00".into());
    assert_ne!(session(&drivers, &host, &Only("new")).await, Arc::as_ptr(&before), "a pin it has not seen");
}

#[tokio::test]
async fn hosts_behind_one_address_share_its_queue_and_forgetting_leaves_nothing() {
    let (drivers, first, second) = (drivers(), host("bmc"), host("bmc"));
    let one = drivers.bmc(&first, &Only("x")).await.expect("a driver");
    let other = drivers.bmc(&second, &Only("x")).await.expect("a driver");
    assert_eq!(drivers.held.queues.lock().expect("whole").len(), 1);
    one.forget().await.expect("nothing was made");
    assert_eq!(drivers.held.queues.lock().expect("whole").len(), 1, "the other one still waits in it");
    drop(one);
    other.forget().await.expect("nothing was made");
    assert!(drivers.held.queues.lock().expect("whole").is_empty());
    assert!(drivers.held.sessions.lock().expect("whole").is_empty());
}

#[tokio::test]
async fn a_credential_that_is_not_there_is_named() {
    let refused = drivers().bmc(&host("nobody"), &Only("x")).await.err().expect("there is none");
    assert!(matches!(&refused, Error::Invalid(why) if why.contains("nobody")), "{refused:?}");
}
