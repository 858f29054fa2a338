//! What outlives a call: queues by address, sessions by what they were opened under.

use jiff::Timestamp;
use underlay_core::{
    Incarnation, Key, Kind, Name, SecretString, Standing,
    host::{Boot, Identity, OnDestroy, Tls},
    object::Meta,
    observation::{Body, Observation as Seen, Source},
    view::{self, RawObject},
};

use super::*;

/// A view that knows one credential, and what was seen of a host.
struct Only(&'static str, Vec<(Source, Seen)>);

fn only(password: &'static str) -> Only {
    Only(password, Vec::new())
}

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

    async fn observation(&self, _: ObjectId, from: Source) -> Result<Option<Seen>, view::Error> {
        Ok(self.1.iter().find(|(source, _)| *source == from).map(|(_, seen)| seen.clone()))
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
        own_password: false,
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
    let first = session(&drivers, &host, &only("old")).await;
    assert_eq!(session(&drivers, &host, &only("old")).await, first);
    let keep = drivers.held.sessions.lock().expect("whole")[&host.meta.id].driver.clone();
    assert_ne!(session(&drivers, &host, &only("new")).await, first, "another password");
    drop(keep);
    let before = drivers.held.sessions.lock().expect("whole")[&host.meta.id].driver.clone();
    host.status.pinned_certificate = Some("00".into());
    assert_ne!(session(&drivers, &host, &only("new")).await, Arc::as_ptr(&before), "a pin it has not seen");
}

#[tokio::test]
async fn hosts_behind_one_address_share_its_queue_and_forgetting_leaves_nothing() {
    let (drivers, first, second) = (drivers(), host("bmc"), host("bmc"));
    let one = drivers.bmc(&first, &only("x")).await.expect("a driver");
    let other = drivers.bmc(&second, &only("x")).await.expect("a driver");
    assert_eq!(drivers.held.lines.lock().expect("whole").len(), 1);
    one.forget().await.expect("nothing was made");
    assert_eq!(drivers.held.lines.lock().expect("whole").len(), 1, "the other one still waits in it");
    drop(one);
    other.forget().await.expect("nothing was made");
    assert!(drivers.held.lines.lock().expect("whole").is_empty());
    assert!(drivers.held.sessions.lock().expect("whole").is_empty());
}

#[tokio::test]
async fn a_credential_that_is_not_there_is_named() {
    let refused = drivers().bmc(&host("nobody"), &only("x")).await.err().expect("there is none");
    assert!(matches!(&refused, Error::Invalid(why) if why.contains("nobody")), "{refused:?}");
}

fn switched_by(driver: Driver) -> Object<Host> {
    let mut host = host("bmc");
    host.spec.driver = driver;
    host
}

fn ipmi() -> Driver {
    let (address, credential) = ("127.0.0.1:1".into(), "bmc".into());
    Driver::Ipmi(host::Ipmi { address, credential, cipher_suite: None })
}

fn by_hand() -> Driver {
    Driver::Manual(host::Manual { webhook: None, credential: None })
}

#[tokio::test]
async fn an_ipmi_driver_is_kept_until_what_it_was_made_from_changes() {
    let (drivers, mut host) = (drivers(), switched_by(ipmi()));
    let made = async |host: &Object<Host>, password| {
        drivers.bmc(host, &only(password)).await.expect("a driver");
        drivers.held.ipmi.kept(host.meta.id).expect("it is kept")
    };
    let first = made(&host, "old").await;
    assert!(Arc::ptr_eq(&made(&host, "old").await, &first));
    let second = made(&host, "new").await;
    assert!(!Arc::ptr_eq(&second, &first), "another password");
    host.spec.identity.serial = Some("SN-1".into());
    assert!(!Arc::ptr_eq(&made(&host, "new").await, &second), "another identity");
    drivers.bmc(&host, &only("new")).await.expect("a driver").forget().await.expect("nothing was made");
    assert!(drivers.held.ipmi.kept(host.meta.id).is_none());
    assert!(drivers.held.lines.lock().expect("whole").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_bmc_is_not_asked_for_more_power_changes_than_its_host_may_have() {
    let (drivers, host) = (drivers(), switched_by(ipmi()));
    let bmc = drivers.bmc(&host, &only("x")).await.expect("a driver");
    for count in 0..budget::CHANGES {
        let power = if count % 2 == 0 { Power::On } else { Power::Off };
        let error = bmc.ensure_power(power).await.expect_err("nobody is there");
        assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    }
    // Another handle on the same BMC has the same budget.
    let bmc = drivers.bmc(&host, &only("x")).await.expect("a driver");
    let error = bmc.ensure_power(Power::On).await.expect_err("enough");
    assert!(
        matches!(&error, Error::Busy { why, .. } if why.contains("power changes in an hour")),
        "{error:?}"
    );
    let error = bmc.observe().await.expect_err("looking costs nothing, and nobody is there");
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    let qemu = drivers.held.lines.lock().expect("whole").values().all(|line| line.budget.is_some());
    assert!(qemu, "and every BMC has one");
}

#[tokio::test]
async fn what_people_say_of_a_host_counts_until_it_is_heard_of() {
    let (drivers, host) = (drivers(), switched_by(by_hand()));
    let seen = |source, second, body| {
        let at = Timestamp::from_second(second).expect("a time");
        (source, Seen { id: host.meta.id, source, at, body })
    };
    let said = |power, second| {
        let at = Timestamp::from_second(second).expect("a time");
        seen(Source::Person, second, Body::Confirmed { power, by: "ops".into(), at })
    };
    let boots = |second| seen(Source::Boot, second, Body::Boot { what: "DHCP discover".into() });
    for (view, power) in [
        (vec![], Power::Unknown),
        (vec![said(Power::Off, 5)], Power::Off),
        (vec![said(Power::Off, 5), boots(4)], Power::Off),
        (vec![said(Power::Off, 5), boots(6)], Power::On),
        (vec![said(Power::On, 5), boots(4)], Power::On),
    ] {
        let bmc = drivers.bmc(&host, &Only("x", view)).await.expect("a driver");
        assert_eq!(bmc.observe().await.expect("nobody is asked").power, power);
    }
    for source in [Source::Inventory, Source::Agent, Source::PhoneHome] {
        let heard = seen(source, 6, Body::Boot { what: "anything".into() });
        let bmc = drivers.bmc(&host, &Only("x", vec![said(Power::Off, 5), heard])).await.expect("a driver");
        assert_eq!(bmc.observe().await.expect("nobody is asked").power, Power::On, "{source:?}");
    }
}
