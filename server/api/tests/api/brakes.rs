//! Freezes, cancellations, bound tokens and the right to take protection away, as callers meet them.

use tonic::{Code, Status};
use underlay_core::{
    Cancellation, Effect, View,
    cancellation::Until,
    host::{self, Host},
    machine::{Deployed, Machine, Run, State},
};
use underlay_proto::v1::{
    self as pb, brake_service_client::BrakeServiceClient, credential_service_client::CredentialServiceClient,
    host_service_client::HostServiceClient, image_service_client::ImageServiceClient,
    machine_service_client::MachineServiceClient, network_service_client::NetworkServiceClient,
    operation_service_client::OperationServiceClient, server_service_client::ServerServiceClient,
};

use crate::harness::{Rack, bearing, blamed, by_name, detail, holding, id, image, key, machine, qemu_host};

fn reach(all: bool, site: &str, pool: &str) -> Option<pb::FreezeReach> {
    Some(pb::FreezeReach { all, site: site.into(), pool: pool.into() })
}

fn freeze(all: bool, site: &str, pool: &str) -> pb::FreezeRequest {
    pb::FreezeRequest { reach: reach(all, site, pool), reason: "switch work".into() }
}

/// A token bound to that owner, site and pool.
async fn bound(rack: &Rack, role: &str, owner: &str, site: &str, pool: &str) -> String {
    let request = pb::CreateTokenRequest {
        name: format!("{role}-{}", underlay_core::ObjectId::new()),
        role: role.into(),
        owner: owner.into(),
        site: site.into(),
        pool: pool.into(),
        ..Default::default()
    };
    let mut server = ServerServiceClient::new(rack.local().await);
    server.create_token(request).await.unwrap().into_inner().token
}

fn pooled(name: &str, pool: &str) -> pb::PutHostRequest {
    let mut put = qemu_host(name);
    put.spec.as_mut().unwrap().pool = pool.into();
    put
}

async fn put_host(rack: &Rack, put: pb::PutHostRequest) -> pb::Meta {
    let mut hosts = HostServiceClient::new(rack.local().await);
    hosts.put(put).await.unwrap().into_inner().host.unwrap().meta.unwrap()
}

#[tokio::test]
async fn a_freeze_is_put_listed_and_lifted() {
    let rack = Rack::start().await;
    let mut brakes = BrakeServiceClient::new(rack.local().await);
    let frozen = brakes.freeze(freeze(false, "default", "web")).await.unwrap().into_inner();
    let brake = frozen.brake.unwrap();
    assert!(!frozen.stood_before);
    assert_eq!((brake.kind(), brake.pool.as_str()), (pb::brake::Kind::Freeze, "web"));
    assert_eq!(brake.release, "underlay unfreeze --site default --pool web");
    assert!(brake.by.starts_with("unix socket (uid "), "{}", brake.by);
    assert!(brakes.freeze(freeze(false, "default", "web")).await.unwrap().into_inner().stood_before);
    let viewer = rack.token("viewer", "").await;
    let seen = brakes.list(bearing(&viewer, pb::ListBrakesRequest {})).await.unwrap().into_inner();
    assert_eq!(seen.brakes, std::slice::from_ref(&brake), "everybody may know");
    let other = pb::UnfreezeRequest { reach: reach(true, "", "") };
    let missing = brakes.unfreeze(other).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    assert!(missing.message().contains("--site default --pool web"), "{missing}");
    let lifted = pb::UnfreezeRequest { reach: reach(false, "default", "web") };
    assert_eq!(brakes.unfreeze(lifted).await.unwrap().into_inner().lifted, Some(brake));
    assert_eq!(brakes.resume(pb::ResumeRequest {}).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_freeze_says_what_it_means_and_why() {
    let rack = Rack::start().await;
    let mut brakes = BrakeServiceClient::new(rack.local().await);
    for (request, attribute) in [
        (freeze(false, "", ""), "all"),
        (freeze(true, "default", ""), "all"),
        (freeze(false, "../x", ""), "site"),
        (pb::FreezeRequest { reason: "  ".into(), ..freeze(true, "", "") }, "reason"),
        (pb::FreezeRequest { reason: "x".repeat(201), ..freeze(true, "", "") }, "reason"),
        (pb::FreezeRequest { reason: "a\u{1b}[2J".into(), ..freeze(true, "", "") }, "reason"),
    ] {
        assert_eq!(blamed(&brakes.freeze(request).await.unwrap_err()), [attribute]);
    }
}

#[tokio::test]
async fn who_is_bound_freezes_only_there() {
    let rack = Rack::start().await;
    let mut brakes = BrakeServiceClient::new(rack.local().await);
    let of_pool = bound(&rack, "operator", "", "default", "web").await;
    brakes.freeze(bearing(&of_pool, freeze(false, "default", "web"))).await.unwrap();
    for wider in [freeze(true, "", ""), freeze(false, "default", ""), freeze(false, "", "web")] {
        let denied = brakes.freeze(bearing(&of_pool, wider)).await.unwrap_err();
        assert_eq!(denied.code(), Code::PermissionDenied);
        assert!(detail(&denied).failure.unwrap().why.contains("pool web"), "{denied}");
    }
    let of_owner = bound(&rack, "operator", "team-web", "", "").await;
    let denied = brakes.freeze(bearing(&of_owner, freeze(false, "default", "web"))).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let tenant = rack.token("tenant", "").await;
    let denied = brakes.freeze(bearing(&tenant, freeze(true, "", ""))).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
}

fn denied<T: std::fmt::Debug>(answer: Result<T, Status>) -> String {
    let status = answer.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    status.message().to_owned()
}

#[tokio::test]
async fn a_token_bound_to_a_pool_writes_its_hosts_and_what_runs_on_them() {
    let rack = Rack::start().await;
    let meta = put_host(&rack, pooled("iron-1", "iron")).await;
    put_host(&rack, pooled("gold-1", "gold")).await;
    let mut images = ImageServiceClient::new(rack.local().await);
    images.put(image("debian", 'a')).await.unwrap();
    let token = bound(&rack, "operator", "", "", "gold").await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    hosts.put(bearing(&token, pooled("gold-2", "gold"))).await.unwrap();
    let why = denied(hosts.put(bearing(&token, pooled("iron-2", "iron"))).await);
    assert!(why.contains("--only-pool iron"), "{why}");
    // Neither into another pool, nor out of it.
    let mut taken = pooled("iron-1", "gold");
    taken.options = holding(&meta);
    denied(hosts.put(bearing(&token, taken)).await);
    let delete = pb::DeleteRequest { selector: by_name("iron-1"), incarnation: meta.incarnation.clone() };
    denied(hosts.delete(bearing(&token, delete)).await);
    let power = |name: &str| pb::PowerRequest {
        selector: by_name(name),
        action: pb::power_request::Action::Off.into(),
    };
    denied(hosts.power(bearing(&token, power("iron-1"))).await);
    hosts.power(bearing(&token, power("gold-1"))).await.unwrap();
    let mut machines = MachineServiceClient::new(rack.local().await);
    denied(machines.put(bearing(&token, machine("web", "iron-1", 'a'))).await);
    denied(machines.preview(bearing(&token, machine("web", "iron-1", 'a'))).await);
    machines.put(bearing(&token, machine("web", "gold-1", 'a'))).await.unwrap();
    // What is shared by all pools is not of one; an image touches none.
    let mut networks = NetworkServiceClient::new(rack.local().await);
    denied(networks.put(bearing(&token, network())).await);
    let mut credentials = CredentialServiceClient::new(rack.local().await);
    denied(credentials.put(bearing(&token, credential())).await);
    images.put(bearing(&token, image("other", 'b'))).await.unwrap();
    // Reading is not bound.
    let get = pb::GetRequest { selector: by_name("iron-1"), ..Default::default() };
    hosts.get(bearing(&token, get)).await.unwrap();
}

fn network() -> pb::PutNetworkRequest {
    let dhcp = Some(pb::Dhcp { mode: "off".into(), ..Default::default() });
    let spec = pb::NetworkSpec { cidr: "10.12.0.0/24".into(), dhcp, ..Default::default() };
    pb::PutNetworkRequest { key: key("boot"), spec: Some(spec), options: None }
}

fn credential() -> pb::PutCredentialRequest {
    let spec = pb::CredentialSpec { username: "root".into(), secret_version: 1 };
    let password = Some("hunter2-canary".into());
    pb::PutCredentialRequest { key: key("bmc"), spec: Some(spec), password, options: None }
}

#[tokio::test]
async fn a_token_bound_to_a_site_writes_nowhere_else() {
    let rack = Rack::start().await;
    let token = bound(&rack, "operator", "", "berlin", "").await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    let why = denied(hosts.put(bearing(&token, qemu_host("lab-1"))).await);
    assert!(why.contains("--only-site default"), "{why}");
    let mut there = qemu_host("lab-1");
    there.key.as_mut().unwrap().site = "berlin".into();
    hosts.put(bearing(&token, there)).await.unwrap();
    let mut server = ServerServiceClient::new(rack.local().await);
    let listed = server.list_tokens(pb::ListTokensRequest {}).await.unwrap().into_inner().tokens;
    assert!(listed.iter().any(|token| token.site == "berlin" && !token.may_unprotect), "{listed:?}");
}

#[tokio::test]
async fn protection_is_taken_away_by_who_may() {
    let rack = Rack::start().await;
    let mut guarded = qemu_host("lab-1");
    guarded.spec.as_mut().unwrap().protected = true;
    let operator = rack.token("operator", "").await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    // Whoever may put a host may protect it.
    let meta = hosts.put(bearing(&operator, guarded)).await.unwrap().into_inner().host.unwrap().meta.unwrap();
    let open = pb::PutHostRequest { options: holding(&meta), ..qemu_host("lab-1") };
    let refused = hosts.put(bearing(&operator, open.clone())).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let failure = detail(&refused).failure.unwrap();
    assert_eq!(failure.attribute, "protected");
    assert!(failure.next.contains("--may-unprotect"), "{failure:?}");
    let at_plan = hosts.preview(bearing(&operator, open.clone())).await.unwrap_err();
    assert_eq!(at_plan.code(), Code::PermissionDenied, "the plan says so already");
    let mut server = ServerServiceClient::new(rack.local().await);
    let request = pb::CreateTokenRequest {
        name: "opener".into(),
        role: "operator".into(),
        may_unprotect: true,
        ..Default::default()
    };
    let opener = server.create_token(request).await.unwrap().into_inner();
    assert!(opener.info.unwrap().may_unprotect);
    hosts.put(bearing(&opener.token, open)).await.unwrap();
    assert!(!hosts.get(get("lab-1")).await.unwrap().into_inner().spec.unwrap().protected);
}

fn get(name: &str) -> pb::GetRequest {
    pb::GetRequest { selector: by_name(name), ..Default::default() }
}

fn cancel(name: &str, force: bool) -> pb::CancelOperationRequest {
    let object = Some(pb::ObjectRef { kind: "machine".into(), selector: by_name(name) });
    pb::CancelOperationRequest { object, force, reason: "wrong rack".into(), ..Default::default() }
}

async fn deploying(rack: &Rack) -> (pb::Meta, Run) {
    let host = put_host(rack, qemu_host("lab-1")).await;
    rack.enter::<Host>(id(&host), host::State::Available, Default::default(), Vec::new()).await;
    let mut images = ImageServiceClient::new(rack.local().await);
    images.put(image("debian", 'a')).await.unwrap();
    let mut machines = MachineServiceClient::new(rack.local().await);
    let web = machines.put(machine("web", "lab-1", 'a')).await.unwrap().into_inner().machine.unwrap();
    let web = web.meta.unwrap();
    let spec = rack.store.get(id(&web)).await.unwrap().unwrap().raw.decode::<Machine>().unwrap().spec;
    let target = Deployed::of(&spec, id(&host), "r1u7", 1);
    let run = Run {
        generation: 1,
        epoch: 1,
        host: id(&host),
        target,
        previous: None,
        phone_home: None,
        takeover: Default::default(),
        attempt: 0,
        trust: Default::default(),
    };
    let claim = vec![Effect::Claim { host: id(&host) }];
    rack.enter::<Machine>(id(&web), State::Booting { run: run.clone() }, Default::default(), claim).await;
    (web, run)
}

#[tokio::test]
async fn an_operation_is_cancelled_by_its_object_or_its_id() {
    let rack = Rack::start().await;
    let (web, _) = deploying(&rack).await;
    let mut operations = OperationServiceClient::new(rack.local().await);
    let told = operations.cancel(cancel("web", false)).await.unwrap().into_inner();
    assert_eq!((told.kind.as_str(), told.object_id.as_str()), ("machine", web.id.as_str()));
    let wish = View::cancellation(&rack.store, id(&web)).await.unwrap().unwrap();
    let Cancellation { generation, by, reason, until, .. } = wish;
    assert_eq!((generation, reason.as_str(), until), (1, "wrong rack", Until::Written));
    assert!(by.starts_with("unix socket (uid "), "{by}");
    let by_id = pb::CancelOperationRequest { id: told.id, force: true, ..Default::default() };
    operations.cancel(by_id).await.unwrap();
    let wish = View::cancellation(&rack.store, id(&web)).await.unwrap().unwrap();
    assert_eq!(wish.until, Until::TheEnd);
}

#[tokio::test]
async fn what_may_have_been_written_is_given_up_by_force_only() {
    let rack = Rack::start().await;
    let (web, run) = deploying(&rack).await;
    rack.enter::<Machine>(id(&web), State::Imaging { run }, Default::default(), Vec::new()).await;
    let mut operations = OperationServiceClient::new(rack.local().await);
    let refused = operations.cancel(cancel("web", false)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("--force"), "{refused}");
    assert!(View::cancellation(&rack.store, id(&web)).await.unwrap().is_none());
    operations.cancel(cancel("web", true)).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_cancelled_is_refused_with_a_reason() {
    let rack = Rack::start().await;
    let (web, run) = deploying(&rack).await;
    let mut operations = OperationServiceClient::new(rack.local().await);
    let of_host = Some(pb::ObjectRef { kind: "host".into(), selector: by_name("lab-1") });
    let host = pb::CancelOperationRequest { object: of_host, ..Default::default() };
    let other = bound(&rack, "tenant", "team-db", "", "").await;
    denied(operations.cancel(bearing(&other, cancel("web", false))).await);
    for (request, word) in [(host, "only operations of machines")] {
        let refused = operations.cancel(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(refused.message().contains(word), "{refused}");
    }
    let state = State::Ready { deployed: run.target };
    rack.enter::<Machine>(id(&web), state, Default::default(), Vec::new()).await;
    let refused = operations.cancel(cancel("web", true)).await.unwrap_err();
    assert!(refused.message().contains("nothing is under way"), "{refused}");
    assert_eq!(
        blamed(&operations.cancel(pb::CancelOperationRequest::default()).await.unwrap_err()),
        ["object"]
    );
    let ended = operations.list(pb::ListOperationsRequest::default()).await.unwrap().into_inner().operations;
    let ended = ended.into_iter().find(|it| it.kind == "machine").unwrap();
    let request = pb::CancelOperationRequest { id: ended.id, ..Default::default() };
    assert_eq!(blamed(&operations.cancel(request).await.unwrap_err()), ["id"]);
}

#[tokio::test]
async fn a_brake_is_shown_with_the_object_it_holds() {
    let rack = Rack::start().await;
    let (web, _) = deploying(&rack).await;
    let mut brakes = BrakeServiceClient::new(rack.local().await);
    brakes.freeze(freeze(true, "", "")).await.unwrap();
    let brake = rack.store.standing_brakes().await.unwrap().remove(0);
    let again = std::time::Duration::from_secs(60);
    rack.commit(id(&web), underlay_store::Decision::Held { brake, again }, None, Vec::new()).await;
    let mut machines = MachineServiceClient::new(rack.local().await);
    let standing = machines.get(get("web")).await.unwrap().into_inner().standing.unwrap();
    assert_eq!(standing.held.unwrap().release, "underlay unfreeze --all");
    assert!(standing.waiting_for.starts_with("frozen by unix socket"), "{}", standing.waiting_for);
    let mut operations = OperationServiceClient::new(rack.local().await);
    let object = Some(pb::ObjectRef { kind: "machine".into(), selector: by_name("web") });
    let told = operations.explain(pb::ExplainRequest { object, values: false }).await.unwrap().into_inner();
    assert!(told.advice.iter().any(|line| line.contains("underlay unfreeze --all")), "{:?}", told.advice);
}

#[tokio::test]
async fn a_backup_is_sent_whole_and_to_admins_only() {
    let rack = Rack::start().await;
    put_host(&rack, qemu_host("lab-1")).await;
    let mut server = ServerServiceClient::new(rack.local().await);
    let operator = rack.token("operator", "").await;
    denied(server.backup(bearing(&operator, pb::BackupRequest {})).await.map(|_| ()));
    let mut parts = server.backup(pb::BackupRequest {}).await.unwrap().into_inner();
    let (mut bytes, mut total) = (Vec::new(), 0);
    while let Some(part) = parts.message().await.unwrap() {
        total = total.max(part.total);
        bytes.extend(part.data);
    }
    assert_eq!(bytes.len() as u64, total);
    let copy = rack.directory.path().join("copy.db");
    std::fs::write(&copy, &bytes).unwrap();
    let key = underlay_store::SealingKey::load_or_create(&rack.directory.path().join("sealing.key")).unwrap();
    let copy = underlay_store::Store::open(copy.to_str().unwrap(), key).await.unwrap();
    let there = copy.list(underlay_core::Kind::Host, &Default::default(), None, 10).await.unwrap();
    assert_eq!(there.records.len(), 1);
    copy.close().await;
}

#[tokio::test]
async fn an_admin_is_not_bound() {
    let rack = Rack::start().await;
    let mut server = ServerServiceClient::new(rack.local().await);
    let request = pb::CreateTokenRequest {
        name: "half".into(),
        role: "admin".into(),
        pool: "gold".into(),
        ..Default::default()
    };
    assert_eq!(blamed(&server.create_token(request).await.unwrap_err()), ["role"]);
}
