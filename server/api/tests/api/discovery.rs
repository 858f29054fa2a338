//! Machines that nobody enrolled: who becomes a host, who is given a token, and who is only named.

use std::time::Duration;

use tokio::{task::JoinHandle, time::timeout};
use underlay_core::{
    Effect, ObjectId,
    boot::{Plan, Token},
    host::{self, Host},
    observation::Body,
};
use underlay_proto::v1::{
    self as pb, agent_service_client::AgentServiceClient, host_service_client::HostServiceClient,
    network_service_client::NetworkServiceClient, pool_service_client::PoolServiceClient,
};

use crate::harness::{Rack, id, key};

const PATIENCE: Duration = Duration::from_secs(20);
const UUID: &str = "6f1c7c1e-6d0a-4b8e-9b57-0c9a3e5d1f42";

fn mac(number: u8) -> String {
    format!("52:54:00:00:00:{number:02x}")
}

/// A machine of that serial number, with that NIC.
fn machine(serial: &str, number: u8) -> pb::DiscoverRequest {
    let nic = pb::Nic { name: "eth0".into(), mac: mac(number), boot: true, ..Default::default() };
    let inventory = pb::Inventory {
        serial: serial.into(),
        vendor: "Acme Corp.".into(),
        arch: "x86_64".into(),
        firmware: "uefi".into(),
        cpus: 8,
        memory_bytes: 64 << 30,
        nics: vec![nic],
        ..Default::default()
    };
    pb::DiscoverRequest { inventory: Some(inventory), boot_mac: mac(number), ..Default::default() }
}

fn waiting(request: pb::DiscoverRequest) -> pb::DiscoverRequest {
    pb::DiscoverRequest { wait_seconds: 40, ..request }
}

async fn report(rack: &Rack, request: pb::DiscoverRequest) -> pb::DiscoverResponse {
    let mut agents = AgentServiceClient::new(rack.remote(None).await.unwrap());
    agents.discover(request).await.unwrap().into_inner()
}

/// A report whose answer is waited for elsewhere.
async fn held(
    rack: &Rack,
    request: pb::DiscoverRequest,
) -> JoinHandle<Result<pb::DiscoverResponse, tonic::Status>> {
    let mut agents = AgentServiceClient::new(rack.remote(None).await.unwrap());
    tokio::spawn(async move { agents.discover(waiting(request)).await.map(tonic::Response::into_inner) })
}

async fn listed(rack: &Rack) -> Vec<pb::Discovered> {
    let mut hosts = HostServiceClient::new(rack.local().await);
    hosts.list_discovered(pb::ListDiscoveredRequest::default()).await.unwrap().into_inner().discovered
}

/// Looks again and again, since what is looked at has no feed.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            match look().await {
                Some(found) => return found,
                None => tokio::task::yield_now().await,
            }
        }
    };
    timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("waited in vain until {what}"))
}

async fn put_pool(rack: &Rack, name: &str, owner: &str, wants: pb::BindMatch) {
    let labels = [("tier".to_owned(), "gold".to_owned())].into();
    let spec =
        pb::PoolSpec { bind: vec![pb::BindRule { r#match: Some(wants), labels }], ..Default::default() };
    let key = Some(pb::Key { owner: owner.into(), name: name.into(), ..Default::default() });
    let mut pools = PoolServiceClient::new(rack.local().await);
    pools.put(pb::PutPoolRequest { key, spec: Some(spec), options: None }).await.unwrap();
}

fn acme() -> pb::BindMatch {
    pb::BindMatch { vendor: "acme*".into(), cpus: Some(8), ..Default::default() }
}

async fn host_of(rack: &Rack, name: &str, owner: &str) -> Option<pb::Host> {
    let key = pb::Key { owner: owner.into(), name: name.into(), ..Default::default() };
    let selector = Some(pb::Selector { by: Some(pb::selector::By::Key(key)) });
    let mut hosts = HostServiceClient::new(rack.local().await);
    let request = pb::GetRequest { selector, incarnation: String::new() };
    hosts.get(request).await.ok().map(tonic::Response::into_inner)
}

/// A host that is known by that identity.
async fn enrol(rack: &Rack, name: &str, identity: pb::HostIdentity) -> ObjectId {
    let driver = pb::host_spec::Driver::Manual(pb::ManualDriver::default());
    let spec = pb::HostSpec { identity: Some(identity), driver: Some(driver), ..Default::default() };
    let request = pb::PutHostRequest { key: key(name), spec: Some(spec), options: None };
    let mut hosts = HostServiceClient::new(rack.local().await);
    id(&hosts.put(request).await.unwrap().into_inner().host.unwrap().meta.unwrap())
}

fn by_serial(serial: &str, number: u8) -> pb::HostIdentity {
    pb::HostIdentity { serial: serial.into(), boot_mac: mac(number), ..Default::default() }
}

/// The host is to boot the agent over that NIC, with a token of that text.
async fn plan(rack: &Rack, host: ObjectId, number: u8, token: &str) {
    let plan = Plan::Agent { token: Token(token.to_owned().into()), epoch: 1, host };
    let effects = vec![Effect::PutBootPlan { mac: mac(number).parse().unwrap(), host, plan }];
    rack.enter::<Host>(host, host::State::Enrolling, Default::default(), effects).await;
}

async fn seen(rack: &Rack, host: ObjectId, wanted: impl Fn(&Body) -> bool) -> Body {
    until("it is observed", async || {
        let seen = rack.store.observations(host).await.unwrap();
        seen.into_iter().map(|seen| seen.body).find(&wanted)
    })
    .await
}

#[tokio::test]
async fn a_machine_that_fits_a_pools_rule_becomes_a_host_of_its_owner() {
    let rack = Rack::start().await;
    put_pool(&rack, "gold", "ops", acme()).await;
    let waits = held(&rack, machine("SN-0", 9)).await;
    until("the rule is known", async || host_of(&rack, "sn-0", "ops").await).await;
    waits.abort();
    // One that cannot wait is told to come again, and is a host by then.
    let answer = report(&rack, machine("SN-1", 1)).await;
    assert!(answer.again_seconds >= 10 && answer.token.is_empty());
    let host = host_of(&rack, "sn-1", "ops").await.unwrap();
    let (spec, identity) = (host.spec.clone().unwrap(), host.spec.unwrap().identity.unwrap());
    assert_eq!((spec.pool.as_str(), spec.labels["tier"].as_str()), ("gold", "gold"));
    assert_eq!((identity.serial, identity.boot_mac), ("SN-1".into(), mac(1)));
    assert!(matches!(spec.driver, Some(pb::host_spec::Driver::Manual(_))));
    assert!(listed(&rack).await.is_empty(), "it is a host");
    let mut audit = pb::audit_service_client::AuditServiceClient::new(rack.local().await);
    let rows = audit.list(pb::ListAuditRequest::default()).await.unwrap().into_inner();
    assert!(format!("{rows:?}").contains("a bind rule of pool default/ops/gold"), "{rows:?}");
}

#[tokio::test]
async fn a_rule_that_is_added_later_takes_the_machine_that_waits() {
    let rack = Rack::start().await;
    let waits = held(&rack, machine("SN-1", 1)).await;
    let before = until("it is listed", async || listed(&rack).await.pop()).await;
    assert!(before.waiting && before.conflict.is_empty(), "{before:?}");
    let small = pb::BindMatch { cpus: Some(16), ..acme() };
    put_pool(&rack, "large", "ops", small).await;
    put_pool(&rack, "gold", "ops", acme()).await;
    until("a rule takes it", async || host_of(&rack, "sn-1", "ops").await).await;
    until("it is no stranger", async || listed(&rack).await.is_empty().then_some(())).await;
    let host = id(&host_of(&rack, "sn-1", "ops").await.unwrap().meta.unwrap());
    let body = seen(&rack, host, |body| matches!(body, Body::Waiting { .. })).await;
    assert!(matches!(body, Body::Waiting { inventory, .. } if inventory.cpus == 8));
    waits.abort();
}

#[tokio::test]
async fn a_machine_that_two_pools_want_is_named_and_nobodys() {
    let rack = Rack::start().await;
    put_pool(&rack, "gold", "ops", acme()).await;
    put_pool(&rack, "iron", "web", pb::BindMatch { serial: "SN-*".into(), ..Default::default() }).await;
    let waits = held(&rack, machine("SN-1", 1)).await;
    let found = until("it is listed", async || listed(&rack).await.pop()).await;
    assert!(found.conflict.contains("ops/gold") && found.conflict.contains("web/iron"), "{found:?}");
    assert!(host_of(&rack, "sn-1", "ops").await.is_none() && host_of(&rack, "sn-1", "web").await.is_none());
    waits.abort();
}

#[tokio::test]
async fn a_rule_never_changes_a_host_that_is_there() {
    let rack = Rack::start().await;
    let other = enrol(&rack, "sn-1", by_serial("ANOTHER", 7)).await;
    put_pool(&rack, "gold", "", acme()).await;
    let waits = held(&rack, machine("SN-1", 1)).await;
    let host = until("it has a name of its own", async || host_of(&rack, "mac-525400000001", "").await).await;
    assert_ne!(id(&host.meta.unwrap()), other);
    let untouched = host_of(&rack, "sn-1", "").await.unwrap();
    assert_eq!(untouched.spec.unwrap().identity.unwrap().serial, "ANOTHER");
    assert_eq!(untouched.meta.unwrap().generation, 1);
    waits.abort();
}

#[tokio::test]
async fn an_agent_that_waits_is_given_the_token_of_its_hosts_boot_plan_when_there_is_one() {
    let rack = Rack::start().await;
    let host = enrol(&rack, "lab-1", by_serial("SN-1", 1)).await;
    let waits = held(&rack, machine("SN-1", 1)).await;
    seen(&rack, host, |body| matches!(body, Body::Waiting { .. })).await;
    assert!(listed(&rack).await.is_empty(), "it is a host's machine");
    plan(&rack, host, 1, "its token").await;
    let answer = timeout(PATIENCE, waits).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.token, "its token");
    assert!(!answer.report.is_empty());
}

#[tokio::test]
async fn an_enrolled_host_takes_over_the_inventory_of_the_machine_that_waits() {
    let rack = Rack::start().await;
    let waits = held(&rack, machine("SN-1", 1)).await;
    until("it is listed", async || listed(&rack).await.pop()).await;
    let host = enrol(&rack, "lab-1", by_serial("SN-1", 1)).await;
    let body = seen(&rack, host, |body| matches!(body, Body::Waiting { .. })).await;
    assert!(matches!(body, Body::Waiting { inventory, .. } if inventory.memory.0 == 64 << 30));
    assert!(listed(&rack).await.is_empty());
    waits.abort();
}

#[tokio::test]
async fn an_agent_that_lies_about_what_it_is_gets_no_token_and_is_named() {
    let rack = Rack::start().await;
    let host = enrol(&rack, "lab-1", by_serial("SN-1", 1)).await;
    plan(&rack, host, 1, "its token").await;
    let uuid = pb::HostIdentity { uuid: UUID.into(), ..by_serial("SN-2", 2) };
    let strict = enrol(&rack, "lab-2", uuid).await;
    plan(&rack, strict, 2, "another token").await;
    let mut honest = machine("SN-2", 2);
    honest.inventory.as_mut().unwrap().uuid = UUID.to_uppercase();
    for (request, token) in [(machine("SN-1", 1), "its token"), (honest, "another token")] {
        let answer = held(&rack, request).await.await.unwrap().unwrap();
        assert_eq!(answer.token, token);
    }
    // The MAC of a host and the serial number of another box, of none, or of another host; and too little.
    let (mut none, mut two, mut half) = (machine("", 1), machine("SN-2", 1), machine("SN-2", 2));
    two.boot_mac = mac(3);
    half.inventory.as_mut().unwrap().uuid = "0".repeat(8) + "-0000-0000-0000-000000000000";
    none.boot_mac = mac(4);
    // From elsewhere than the honest ones, so that nobody is held back for another.
    let mut agents = AgentServiceClient::new(rack.local().await);
    for (number, lie) in [machine("SN-9", 1), none, two, half].into_iter().enumerate() {
        let answer =
            agents.discover(pb::DiscoverRequest { wait_seconds: 1, ..lie }).await.unwrap().into_inner();
        assert_eq!(answer.token, "", "lie {number}");
    }
    for named in [host, strict] {
        let body = seen(&rack, named, |body| matches!(body, Body::Resembles { .. })).await;
        assert!(matches!(body, Body::Resembles { why } if !why.is_empty()));
    }
    let conflicts = listed(&rack).await;
    assert!(
        !conflicts.is_empty() && conflicts.iter().all(|found| !found.conflict.is_empty()),
        "{conflicts:?}"
    );
}

#[tokio::test]
async fn two_machines_with_one_serial_number_are_named_and_neither_is_bound() {
    let rack = Rack::start().await;
    let (one, other) = (held(&rack, machine("SN-1", 1)).await, held(&rack, machine("SN-1", 2)).await);
    until("both are listed", async || (listed(&rack).await.len() == 2).then_some(())).await;
    put_pool(&rack, "gold", "ops", acme()).await;
    put_pool(&rack, "last", "ops", pb::BindMatch { vendor: "nobody".into(), ..Default::default() }).await;
    let conflicts = until("they are named", async || {
        let found = listed(&rack).await;
        found.iter().all(|it| it.conflict.contains("serial number SN-1")).then_some(found)
    })
    .await;
    assert_eq!(conflicts.len(), 2);
    assert!(host_of(&rack, "sn-1", "ops").await.is_none());
    other.abort();
    // The one that is left is no clone any more.
    until("it is bound", async || host_of(&rack, "sn-1", "ops").await).await;
    one.abort();
}

#[tokio::test]
async fn a_report_that_the_server_does_not_know_is_asked_for_again() {
    let rack = Rack::start().await;
    let by_name = pb::DiscoverRequest {
        boot_mac: mac(1),
        wait_seconds: 40,
        report: "0123abc".into(),
        ..Default::default()
    };
    let answer = report(&rack, by_name).await;
    assert_eq!((answer.report.as_str(), answer.token.as_str()), ("", ""));
    assert!(listed(&rack).await.is_empty(), "nothing was said of it");
}

#[tokio::test]
async fn a_machine_is_seen_on_the_network_of_its_address_and_a_rule_may_ask_for_it() {
    let rack = Rack::start().await;
    let spec = pb::NetworkSpec {
        cidr: "127.0.0.0/8".into(),
        dhcp: Some(pb::Dhcp { mode: "off".into(), ..Default::default() }),
        ..Default::default()
    };
    let mut networks = NetworkServiceClient::new(rack.local().await);
    networks.put(pb::PutNetworkRequest { key: key("boot"), spec: Some(spec), options: None }).await.unwrap();
    put_pool(&rack, "gold", "ops", pb::BindMatch { network: "bo*".into(), ..Default::default() }).await;
    let waits = held(&rack, machine("SN-1", 1)).await;
    until("a rule takes it", async || host_of(&rack, "sn-1", "ops").await).await;
    waits.abort();
}

#[tokio::test]
async fn agents_that_wait_cost_the_database_nothing() {
    let rack = Rack::start().await;
    let mut waits = Vec::new();
    for number in 1..=20 {
        waits.push(held(&rack, machine(&format!("SN-{number}"), number)).await);
    }
    until("all are listed", async || (listed(&rack).await.len() == 20).then_some(())).await;
    let host = enrol(&rack, "lab-1", by_serial("SN-1", 1)).await;
    seen(&rack, host, |body| matches!(body, Body::Waiting { .. })).await;
    let written = rack.store.traffic().writes();
    // What is about none of them wakes none of them.
    for number in 100..110 {
        let boxes = by_serial(&format!("OTHER-{number}"), number);
        enrol(&rack, &format!("lab-{number}"), boxes).await;
    }
    let after = rack.store.traffic().writes();
    // A Put and its trail; a machine that was judged anew would have written or read more.
    assert!(after - written <= 20, "{} writes for ten Puts", after - written);
    waits.iter().for_each(JoinHandle::abort);
}
