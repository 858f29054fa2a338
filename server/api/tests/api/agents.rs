//! Agents calling home: tokens, certificates, reports and orders.

use std::time::Duration;

use jiff::Timestamp;
use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming, transport::Channel};
use underlay_core::{
    Effect, ObjectId,
    agent::{Assignment, Leave, Purpose, Stage, Task, TokenGrant},
    boot,
    host::{self, Host},
    observation::Body,
};
use underlay_proto::v1::{
    self as pb, agent_message::Message, agent_service_client::AgentServiceClient,
    host_service_client::HostServiceClient, operation_service_client::OperationServiceClient, order,
    pool_service_client::PoolServiceClient,
};

use crate::harness::{Rack, bearing, blamed, id, key, qemu_host};

const TOKEN: &str = "one-time-token";

/// A host whose boot 1 is expected with [`TOKEN`].
async fn expecting(rack: &Rack) -> ObjectId {
    let mut hosts = HostServiceClient::new(rack.local().await);
    let meta = hosts.put(qemu_host("lab-1")).await.unwrap().into_inner().host.unwrap().meta.unwrap();
    grant(rack, id(&meta), TOKEN, 1, Timestamp::now() + Duration::from_secs(600)).await;
    id(&meta)
}

async fn grant(rack: &Rack, host: ObjectId, token: &str, epoch: i64, expires_at: Timestamp) {
    let digest = boot::digest(token);
    let grant = TokenGrant { digest, host, on_behalf_of: host, epoch, purpose: Purpose::Agent, expires_at };
    effects(rack, host, vec![Effect::GrantToken(grant)]).await;
}

async fn effects(rack: &Rack, host: ObjectId, effects: Vec<Effect>) {
    rack.enter::<Host>(host, host::State::Enrolling, Default::default(), effects).await;
}

async fn assign(rack: &Rack, host: ObjectId, epoch: i64, task: Task) {
    effects(rack, host, vec![Effect::Assign(Assignment { host, on_behalf_of: host, epoch, task })]).await;
}

fn csr(key: &KeyPair) -> Vec<u8> {
    CertificateParams::default().serialize_request(key).unwrap().der().to_vec()
}

async fn redeem(rack: &Rack, token: &str, key: &KeyPair) -> Result<pb::RedeemResponse, tonic::Status> {
    let mut agents = AgentServiceClient::new(rack.remote(None).await.unwrap());
    let request = pb::RedeemRequest { token: token.into(), csr: csr(key), quote: None };
    agents.redeem(request).await.map(tonic::Response::into_inner)
}

fn identity(key: &KeyPair, certificate: Vec<u8>) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    (certificate.into(), PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())))
}

/// An agent that redeemed [`TOKEN`], on its line.
struct Agent {
    say: mpsc::Sender<pb::AgentMessage>,
    orders: Streaming<pb::Order>,
}

impl Agent {
    async fn dial(channel: Channel, epoch: i64) -> Result<Self, tonic::Status> {
        let (say, messages) = mpsc::channel(8);
        let inventory = pb::Inventory { serial: "S-1".into(), cpus: 2, ..Default::default() };
        let hello =
            pb::Hello { epoch, version: "0.1.0".into(), inventory: Some(inventory), takes_seed_runs: true };
        say.send(pb::AgentMessage { message: Some(Message::Hello(hello)) }).await.unwrap();
        let mut agents = AgentServiceClient::new(channel);
        let orders = agents.work(ReceiverStream::new(messages)).await?.into_inner();
        Ok(Self { say, orders })
    }

    async fn order(&mut self) -> Result<order::Task, tonic::Status> {
        let order = tokio::time::timeout(Duration::from_secs(20), self.orders.message()).await;
        Ok(order.expect("an order comes")?.expect("the line is open").task.unwrap())
    }

    async fn report(&self, epoch: i64, stage: pb::report::Stage) {
        let report = pb::Report { epoch, stage: Some(stage) };
        self.say.send(pb::AgentMessage { message: Some(Message::Report(report)) }).await.unwrap();
    }
}

/// Waits for an observation by the hints of the store.
async fn observed(rack: &Rack, host: ObjectId, wanted: impl Fn(&Body) -> bool) -> Body {
    let mut hint = rack.store.hint();
    let look = async {
        loop {
            hint.mark_unchanged();
            let seen = rack.store.observations(host).await.unwrap();
            if let Some(found) = seen.into_iter().map(|seen| seen.body).find(&wanted) {
                return found;
            }
            hint.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), look).await.expect("it is observed")
}

#[tokio::test]
async fn an_agent_that_no_tpm_vouches_for_takes_no_token_where_that_is_asked() {
    let rack = Rack::start().await;
    let host = expecting(&rack).await;
    let mut pools = PoolServiceClient::new(rack.local().await);
    let mut trust = async |trust: &str| {
        let spec = Some(pb::PoolSpec { trust: trust.into(), ..Default::default() });
        pools.put(pb::PutPoolRequest { key: key("default"), spec, options: None }).await.unwrap();
    };
    trust("tpm").await;
    let (rogue, own) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let refused = redeem(&rack, TOKEN, &rogue).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(refused.message().contains("does not vouch for this agent"), "{refused}");
    let seen = observed(&rack, host, |body| matches!(body, Body::Unproven { .. })).await;
    assert!(matches!(seen, Body::Unproven { epoch: 1, .. }));
    let unknown = redeem(&rack, "another token", &rogue).await.unwrap_err();
    assert!(!unknown.message().contains("vouch"), "who has no token learns nothing: {unknown}");
    trust("segment").await;
    redeem(&rack, TOKEN, &own).await.expect("the token is there for the host's own agent");
}

#[tokio::test]
async fn an_agent_redeems_says_hello_takes_orders_and_reports() {
    let rack = Rack::start().await;
    let host = expecting(&rack).await;
    let key = KeyPair::generate().unwrap();
    let redeemed = redeem(&rack, TOKEN, &key).await.unwrap();
    assert_eq!((redeemed.host_id, redeemed.epoch), (host.to_string(), 1));
    let identity = || identity(&key, redeemed.certificate.clone());
    let mut agent = Agent::dial(rack.remote(Some(identity())).await.unwrap(), 1).await.unwrap();
    let found = observed(&rack, host, |body| matches!(body, Body::Inventory { .. })).await;
    assert!(matches!(found, Body::Inventory { epoch: 1, inventory } if inventory.cpus == 2));

    assign(&rack, host, 1, Task::Leave(Leave::Reboot)).await;
    assert_eq!(agent.order().await.unwrap(), order::Task::Leave(pb::Leave::Reboot.into()));
    agent.report(1, pb::report::Stage::Checking(pb::report::Checking {})).await;
    let report = observed(&rack, host, |body| matches!(body, Body::Report(_))).await;
    assert!(matches!(report, Body::Report(report) if report.stage == Stage::Checking));

    let mut again = Agent::dial(rack.remote(Some(identity())).await.unwrap(), 1).await.unwrap();
    assert_eq!(
        again.order().await.unwrap(),
        order::Task::Leave(pb::Leave::Reboot.into()),
        "again to who returns"
    );
    effects(&rack, host, vec![Effect::Unassign { host }]).await;
    assert_eq!(again.order().await.unwrap(), order::Task::Stay(pb::order::Stay {}));
}

#[tokio::test]
async fn a_newer_boot_ends_the_line_of_the_older() {
    let rack = Rack::start().await;
    let host = expecting(&rack).await;
    let key = KeyPair::generate().unwrap();
    let redeemed = redeem(&rack, TOKEN, &key).await.unwrap();
    let identity = || identity(&key, redeemed.certificate.clone());
    assign(&rack, host, 1, Task::Stay).await;
    let mut agent = Agent::dial(rack.remote(Some(identity())).await.unwrap(), 1).await.unwrap();
    assert_eq!(agent.order().await.unwrap(), order::Task::Stay(pb::order::Stay {}));
    assign(&rack, host, 2, Task::Leave(Leave::PowerOff)).await;
    assert_eq!(agent.order().await.unwrap_err().code(), Code::PermissionDenied, "and the order is not shown");
    let late = Agent::dial(rack.remote(Some(identity())).await.unwrap(), 1).await;
    assert_eq!(late.err().unwrap().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn what_a_message_says_of_the_epoch_does_not_count() {
    let rack = Rack::start().await;
    let host = expecting(&rack).await;
    let key = KeyPair::generate().unwrap();
    let redeemed = redeem(&rack, TOKEN, &key).await.unwrap();
    let identity = || identity(&key, redeemed.certificate.clone());
    let mut liar = Agent::dial(rack.remote(Some(identity())).await.unwrap(), 7).await.unwrap();
    assert_eq!(liar.order().await.unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(rack.store.observations(host).await.unwrap(), []);
    assign(&rack, host, 1, Task::Stay).await;
    let mut agent = Agent::dial(rack.remote(Some(identity())).await.unwrap(), 1).await.unwrap();
    agent.order().await.unwrap();
    agent.report(2, pb::report::Stage::Checking(pb::report::Checking {})).await;
    assert_eq!(agent.order().await.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn work_needs_the_certificate_that_redeem_issued() {
    let rack = Rack::start().await;
    let host = expecting(&rack).await;
    let without = Agent::dial(rack.remote(None).await.unwrap(), 1).await;
    assert_eq!(without.err().unwrap().code(), Code::Unauthenticated);
    let unix = Agent::dial(rack.local().await, 1).await;
    assert_eq!(unix.err().unwrap().code(), Code::Unauthenticated);

    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = underlay_api::tls::Authority::open(elsewhere.path()).unwrap();
    let key = KeyPair::generate().unwrap();
    let agent = underlay_api::tls::AgentIdentity { host, epoch: 1 };
    let forged = foreign.agent(&foreign.check(&csr(&key)).unwrap(), agent).unwrap();
    // With TLS 1.3 the server's refusal is seen at the first read, not in the handshake.
    let turned_away = match rack.remote(Some(identity(&key, forged.to_vec()))).await {
        Ok(channel) => Agent::dial(channel, 1).await.is_err(),
        Err(_) => true,
    };
    assert!(turned_away, "a certificate of another authority ends the handshake");
    assert_eq!(rack.store.observations(host).await.unwrap(), []);
}

#[tokio::test]
async fn expired_unknown_and_foreign_tokens_get_the_same_answer() {
    let rack = Rack::start().await;
    let host = expecting(&rack).await;
    let expired = Timestamp::now() - Duration::from_secs(1);
    grant(&rack, host, "late", 2, expired).await;
    let key = KeyPair::generate().unwrap();
    let mut answers = Vec::new();
    for token in ["late", TOKEN, "never-made", "", &"x".repeat(10_000)] {
        let refused = redeem(&rack, token, &key).await.unwrap_err();
        answers.push((refused.code(), refused.message().to_owned()));
    }
    assert_eq!(answers[0].0, Code::PermissionDenied);
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn redeeming_again_is_harmless_with_the_same_key_and_recorded_with_another() {
    let rack = Rack::start().await;
    let host = expecting(&rack).await;
    let (key, thief) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    redeem(&rack, TOKEN, &key).await.unwrap();
    assert!(redeem(&rack, TOKEN, &key).await.is_ok(), "an answer may get lost");
    let refused = redeem(&rack, TOKEN, &thief).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let seen = observed(&rack, host, |body| matches!(body, Body::Intruder { .. })).await;
    assert!(matches!(seen, Body::Intruder { epoch: 1, address, .. } if address.starts_with("127.0.0.1:")));
    assert!(redeem(&rack, TOKEN, &key).await.is_ok());
}

#[tokio::test]
async fn a_request_that_cannot_be_signed_does_not_spend_the_token() {
    let rack = Rack::start().await;
    expecting(&rack).await;
    let mut agents = AgentServiceClient::new(rack.remote(None).await.unwrap());
    for csr in [Vec::new(), vec![0; 100], vec![0x30; 100_000]] {
        let refused =
            agents.redeem(pb::RedeemRequest { token: TOKEN.into(), csr, quote: None }).await.unwrap_err();
        assert_eq!((refused.code(), blamed(&refused)), (Code::InvalidArgument, vec!["csr".into()]));
    }
    assert!(redeem(&rack, TOKEN, &KeyPair::generate().unwrap()).await.is_ok());
}

#[tokio::test]
async fn an_agent_certificate_opens_nothing_else() {
    let rack = Rack::start().await;
    expecting(&rack).await;
    let key = KeyPair::generate().unwrap();
    let redeemed = redeem(&rack, TOKEN, &key).await.unwrap();
    let channel = rack.remote(Some(identity(&key, redeemed.certificate))).await.unwrap();
    let mut hosts = HostServiceClient::new(channel);
    let refused = hosts.list(pb::ListRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn an_unknown_machine_is_listed_once_per_mac_and_held_back_when_it_chatters() {
    let rack = Rack::start().await;
    let mut agents = AgentServiceClient::new(rack.remote(None).await.unwrap());
    let inventory = pb::Inventory { serial: "NEW-1".into(), ..Default::default() };
    let report = |mac: &str| pb::DiscoverRequest {
        inventory: Some(inventory.clone()),
        boot_mac: mac.into(),
        ..Default::default()
    };
    let told = agents.discover(report("52:54:00:00:00:09")).await.unwrap().into_inner();
    assert!(told.again_seconds >= 10);
    let chatter = agents.discover(report("52:54:00:00:00:09")).await.unwrap_err();
    assert_eq!(chatter.code(), Code::ResourceExhausted);
    assert_eq!(blamed(&agents.discover(report("ff:ff:ff:ff:ff:ff")).await.unwrap_err()), ["boot_mac"]);
    let mut flood = report("52:54:00:00:00:0a");
    flood.inventory.as_mut().unwrap().nics = vec![pb::Nic::default(); 1000];
    assert_eq!(agents.discover(flood).await.unwrap_err().code(), Code::InvalidArgument);
    let mut hosts = HostServiceClient::new(rack.local().await);
    let listed = hosts.list_discovered(pb::ListDiscoveredRequest::default()).await.unwrap().into_inner();
    let macs: Vec<_> = listed.discovered.iter().map(|seen| seen.mac.as_str()).collect();
    assert_eq!(macs, ["52:54:00:00:00:09"]);
    assert_eq!(rack.store.head().await.unwrap(), 0, "nothing was written but the list");
}

#[tokio::test]
async fn what_an_agent_says_is_kept_without_control_characters_and_shown_for_its_boot() {
    let rack = Rack::start().await;
    let host = expecting(&rack).await;
    assign(&rack, host, 1, Task::Stay).await;
    let key = KeyPair::generate().unwrap();
    let redeemed = redeem(&rack, TOKEN, &key).await.unwrap();
    assert!(redeemed.takes_log);
    let identity = || identity(&key, redeemed.certificate.clone());
    let mut agent = Agent::dial(rack.remote(Some(identity())).await.unwrap(), 1).await.unwrap();
    assert_eq!(agent.order().await.unwrap(), order::Task::Stay(pb::order::Stay {}));
    for text in ["first \u{1b}[2Jline\n", "second\n"] {
        let message = Message::Log(pb::Log { epoch: 1, text: text.into() });
        agent.say.send(pb::AgentMessage { message: Some(message) }).await.unwrap();
    }
    // Messages are taken in order: when the report is there, the lines are.
    agent.report(1, pb::report::Stage::Checking(pb::report::Checking {})).await;
    observed(&rack, host, |body| matches!(body, Body::Report(_))).await;

    let logs = async |token: Option<String>, serial: bool| {
        let selector = pb::Selector { by: Some(pb::selector::By::Id(host.to_string())) };
        let object = pb::ObjectRef { kind: "host".into(), selector: Some(selector) };
        let request = pb::LogsRequest { object: Some(object), serial, ..Default::default() };
        let channel = rack.remote(None).await.unwrap();
        let answer = match token {
            Some(token) => OperationServiceClient::new(channel).logs(bearing(&token, request)).await,
            None => OperationServiceClient::new(rack.local().await).logs(request).await,
        };
        answer.map(tonic::Response::into_inner)
    };
    let kept = logs(None, true).await.unwrap();
    let boot = &kept.boots[0];
    assert_eq!(
        (boot.host.as_str(), boot.epoch, boot.text.as_str()),
        ("lab-1", 1, "first  [2Jline\nsecond\n")
    );
    assert!(kept.serial.contains("login:"));

    let other = rack.token("tenant", "another").await;
    assert_eq!(logs(Some(other.clone()), false).await.unwrap().boots.len(), 1);
    assert_eq!(logs(Some(other), true).await.unwrap_err().code(), Code::PermissionDenied);
    let viewer = rack.token("viewer", "default").await;
    assert_eq!(logs(Some(viewer), false).await.unwrap_err().code(), Code::PermissionDenied);

    let message = Message::Log(pb::Log { epoch: 1, text: "x".repeat(9000) });
    agent.say.send(pb::AgentMessage { message: Some(message) }).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(20), agent.orders.message()).await.expect("it ends");
    assert_eq!(ended.unwrap_err().code(), Code::InvalidArgument, "an endless line is not listened to");
}
