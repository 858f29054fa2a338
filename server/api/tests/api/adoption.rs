//! Machines that are installed already: enrolment tokens, who becomes which host, the line of a resident, and forgetting.

use std::time::Duration;

use jiff::Timestamp;
use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use underlay_core::{
    Effect, ObjectId,
    agent::attributes,
    boot,
    host::{self, Host},
    observation::{Body, Source},
    resident::Line,
};
use underlay_proto::v1::{
    self as pb, agent_message::Message, agent_service_client::AgentServiceClient,
    audit_service_client::AuditServiceClient, host_service_client::HostServiceClient, resident_order::Order,
};
use underlay_store::{Decision, adoption::Offer};

use crate::harness::{Rack, bearing, blamed, by_name, detail, id, key, qemu_host};

/// A rack whose ramdisk has an agent beside it.
async fn rack() -> Rack {
    let rack = Rack::start().await;
    std::fs::create_dir_all(rack.ramdisk()).unwrap();
    std::fs::write(rack.ramdisk().join("agent"), b"the agent").unwrap();
    rack
}

async fn offer(rack: &Rack, request: pb::OfferAdoptionRequest) -> Result<pb::OfferAdoptionResponse, Status> {
    let mut hosts = HostServiceClient::new(rack.local().await);
    hosts.offer_adoption(request).await.map(tonic::Response::into_inner)
}

async fn token(rack: &Rack) -> String {
    offer(rack, pb::OfferAdoptionRequest::default()).await.unwrap().token
}

fn inventory(number: u8) -> pb::Inventory {
    let nic =
        pb::Nic { name: "eno1".into(), mac: format!("52:54:00:00:00:{number:02x}"), ..Default::default() };
    pb::Inventory {
        serial: format!("SN-{number}"),
        uuid: format!("00000000-0000-4000-8000-0000000000{number:02x}"),
        arch: "x86_64".into(),
        nics: vec![nic],
        ..Default::default()
    }
}

/// A machine with an agent key.
struct Debian {
    key: KeyPair,
    hostname: String,
    inventory: pb::Inventory,
}

fn machine(number: u8) -> Debian {
    let key = KeyPair::generate().unwrap();
    Debian { key, hostname: format!("db-{number}"), inventory: inventory(number) }
}

impl Debian {
    fn system(&self) -> pb::System {
        pb::System {
            hostname: self.hostname.clone(),
            os: "Debian GNU/Linux 12 (bookworm)".into(),
            boot_id: "8b1b".into(),
            ..Default::default()
        }
    }

    async fn adopt(&self, rack: &Rack, token: &str) -> Result<pb::AdoptResponse, Status> {
        let request = pb::AdoptRequest {
            token: token.into(),
            csr: CertificateParams::default().serialize_request(&self.key).unwrap().der().to_vec(),
            inventory: Some(self.inventory.clone()),
            system: Some(self.system()),
        };
        let mut agents = AgentServiceClient::new(rack.remote(None).await.unwrap());
        agents.adopt(request).await.map(tonic::Response::into_inner)
    }

    fn identity(&self, certificate: &[u8]) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        (certificate.to_vec().into(), key)
    }

    async fn dial(
        &self,
        rack: &Rack,
        certificate: &[u8],
    ) -> Result<(mpsc::Sender<pb::ResidentReport>, Streaming<pb::ResidentOrder>), Status> {
        let (say, reports) = mpsc::channel(4);
        let report = pb::ResidentReport {
            inventory: Some(self.inventory.clone()),
            system: Some(self.system()),
            ..Default::default()
        };
        say.send(report).await.unwrap();
        let mut agents =
            AgentServiceClient::new(rack.remote(Some(self.identity(certificate))).await.unwrap());
        let orders = agents.reside(ReceiverStream::new(reports)).await?.into_inner();
        Ok((say, orders))
    }
}

async fn read(rack: &Rack, name: &str) -> pb::Host {
    let mut hosts = HostServiceClient::new(rack.local().await);
    hosts
        .get(pb::GetRequest { selector: by_name(name), incarnation: String::new() })
        .await
        .unwrap()
        .into_inner()
}

/// Every host, by name.
async fn names(rack: &Rack) -> Vec<String> {
    let mut hosts = HostServiceClient::new(rack.local().await);
    let listed = hosts.list(pb::ListRequest::default()).await.unwrap().into_inner().hosts;
    let mut names: Vec<_> = listed.into_iter().filter_map(|host| Some(host.meta?.key?.name)).collect();
    names.sort();
    names
}

async fn settle(rack: &Rack, name: &str) -> ObjectId {
    let host = id(&read(rack, name).await.meta.unwrap());
    rack.enter::<Host>(host, host::State::Available, Default::default(), Vec::new()).await;
    host
}

/// Plays the engine: the host is gone.
async fn forget(rack: &Rack, host: ObjectId) {
    rack.commit(host, Decision::Gone, None, Vec::new()).await;
}

/// Waits until the host's resident is noted like that.
async fn noted(rack: &Rack, host: ObjectId, wanted: Line) {
    let mut hint = rack.store.hint();
    let look = async {
        loop {
            hint.mark_unchanged();
            let seen = rack.store.observations(host).await.unwrap();
            let line = seen.iter().find(|seen| seen.source == Source::Resident).map(|seen| &seen.body);
            if matches!(line, Some(Body::Resident { line, .. }) if *line == wanted) {
                return;
            }
            hint.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), look).await.expect("it is noted");
}

#[tokio::test]
async fn a_machine_becomes_a_host_that_is_protected_and_only_ever_forgotten() {
    let rack = rack().await;
    let request = pb::OfferAdoptionRequest {
        pool: "legacy".into(),
        labels: [("rack".to_owned(), "r1".to_owned())].into(),
        ..Default::default()
    };
    let offered = offer(&rack, request).await.unwrap();
    let agent = ring::digest::digest(&ring::digest::SHA256, b"the agent");
    assert_eq!(offered.agent_sha256, hex::encode(agent));
    assert_eq!(offered.ca_sha256, rack.authority.digest());
    let answer = machine(1).adopt(&rack, &offered.token).await.unwrap();
    assert_eq!(answer.host_name, "db-1");
    let host = read(&rack, "db-1").await;
    assert_eq!(host.meta.unwrap().id, answer.host_id);
    let spec = host.spec.unwrap();
    assert_eq!((spec.pool.as_str(), spec.labels["rack"].as_str()), ("legacy", "r1"));
    assert_eq!(spec.driver, Some(pb::host_spec::Driver::None(pb::NoDriver {})));
    assert!(spec.protected && spec.on_destroy == "forget", "{spec:?}");
    let identity = spec.identity.unwrap();
    assert_eq!(
        (identity.serial.as_str(), identity.boot_mac.as_str()),
        ("SN-1", ""),
        "its NIC is not guessed"
    );
    let mut audit = AuditServiceClient::new(rack.local().await);
    let rows = audit.list(pb::ListAuditRequest::default()).await.unwrap().into_inner().rows;
    let row = rows.iter().find(|row| row.method == "AgentService/Adopt").expect("it is in the audit");
    assert!(row.who.contains("unix socket") && row.object.ends_with("default/db-1"), "{row:?}");
    assert!(rows.iter().any(|row| row.method == "HostService/OfferAdoption"), "{rows:?}");
    assert!(!format!("{rows:?}").contains(&offered.token), "and no token is");
}

#[tokio::test]
async fn a_token_is_good_once_for_its_time_and_for_nothing_else() {
    let rack = rack().await;
    let (token, unused) = (token(&rack).await, token(&rack).await);
    let (first, second) = (machine(1), machine(2));
    let adopted = first.adopt(&rack, &token).await.unwrap();
    let again = first.adopt(&rack, &token).await.unwrap();
    assert_eq!(again.host_id, adopted.host_id, "an answer that was lost is given again");
    let mut answers = vec![second.adopt(&rack, &token).await.unwrap_err()];
    let terms = rack.store.adoption(&boot::digest(&unused), Timestamp::now()).await.unwrap().unwrap();
    let expires_at = Timestamp::now() - Duration::from_secs(1);
    let late = Offer { digest: boot::digest("late"), terms, uses: 1, expires_at };
    rack.store.offer_adoption(&late).await.unwrap();
    for token in ["late", "never-made", &"x".repeat(10_000)] {
        answers.push(second.adopt(&rack, token).await.unwrap_err());
    }
    for answer in &answers {
        assert_eq!((answer.code(), answer.message()), (Code::PermissionDenied, answers[0].message()));
    }
    assert_eq!(names(&rack).await, ["db-1"]);
    let mut server = pb::server_service_client::ServerServiceClient::new(rack.remote(None).await.unwrap());
    let refused = server.info(bearing(&unused, pb::InfoRequest {})).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "it opens no API");
}

#[tokio::test]
async fn of_many_that_bring_one_token_at_once_as_many_become_hosts_as_it_is_good_for() {
    let rack = rack().await;
    let token = offer(&rack, pb::OfferAdoptionRequest { uses: 3, ..Default::default() }).await.unwrap().token;
    let machines: Vec<Debian> = (1..=12).map(machine).collect();
    let all = machines.iter().map(|machine| machine.adopt(&rack, &token));
    let answers = futures::future::join_all(all).await;
    let adopted = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!((adopted, names(&rack).await.len()), (3, 3), "{answers:?}");
    assert!(answers.iter().flat_map(Result::as_ref).all(|answer| !answer.certificate.is_empty()));
}

#[tokio::test]
async fn one_machine_that_is_there_twice_at_once_becomes_one_host() {
    let rack = rack().await;
    let token = offer(&rack, pb::OfferAdoptionRequest { uses: 9, ..Default::default() }).await.unwrap().token;
    // Clones of one image: another key each, one UUID.
    let clones: Vec<Debian> =
        (0..6).map(|number| Debian { hostname: format!("clone-{number}"), ..machine(1) }).collect();
    let answers = futures::future::join_all(clones.iter().map(|clone| clone.adopt(&rack, &token))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
    for refused in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
        assert!(refused.message().contains("another agent lives on"), "{refused:?}");
    }
    assert_eq!(names(&rack).await.len(), 1);
}

#[tokio::test]
async fn a_machine_that_is_enrolled_already_gets_its_agent_and_no_second_host() {
    let rack = rack().await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    let mut put = qemu_host("lab-1");
    put.spec.as_mut().unwrap().identity =
        Some(pb::HostIdentity { serial: "SN-1".into(), ..Default::default() });
    let enrolled = hosts.put(put).await.unwrap().into_inner().host.unwrap();
    let answer = machine(1).adopt(&rack, &token(&rack).await).await.unwrap();
    assert_eq!((answer.host_name.as_str(), &answer.host_id), ("lab-1", &enrolled.meta.as_ref().unwrap().id));
    let host = read(&rack, "lab-1").await;
    assert_eq!(
        (host.spec, names(&rack).await),
        (enrolled.spec, vec!["lab-1".to_owned()]),
        "nothing of it is changed"
    );
}

#[tokio::test]
async fn a_box_that_is_another_only_in_part_or_somebody_elses_is_refused_by_name() {
    let rack = rack().await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    let mut enrol = async |name: &str, owner: &str, identity: pb::HostIdentity| {
        let mut put = qemu_host(name);
        put.key.as_mut().unwrap().owner = owner.into();
        put.spec.as_mut().unwrap().identity = Some(identity);
        hosts.put(put).await.unwrap();
    };
    let other_uuid = "11111111-0000-4000-8000-000000000001".to_owned();
    enrol("half", "", pb::HostIdentity { serial: "SN-1".into(), uuid: other_uuid, ..Default::default() })
        .await;
    enrol("theirs", "other", pb::HostIdentity { serial: "SN-2".into(), ..Default::default() }).await;
    enrol("one", "", pb::HostIdentity { serial: "SN-3".into(), ..Default::default() }).await;
    enrol("two", "", pb::HostIdentity { boot_mac: "52:54:00:00:00:03".into(), ..Default::default() }).await;
    let before = names(&rack).await;
    for (number, says, hides) in
        [(1, "half", "-"), (2, "another owner", "theirs"), (3, "something of host one", "-")]
    {
        let token = token(&rack).await;
        let refused = machine(number).adopt(&rack, &token).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        let failure = detail(&refused).failure.unwrap();
        assert!(failure.why.contains(says) && !failure.why.contains(hides), "{failure:?}");
        // It was not spent: the next machine may have it.
        machine(number + 100).adopt(&rack, &token).await.unwrap();
    }
    assert_eq!(names(&rack).await.len(), before.len() + 3);
}

#[tokio::test]
async fn a_name_that_is_taken_is_never_taken_over() {
    let rack = rack().await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    let there = hosts.put(qemu_host("db-1")).await.unwrap().into_inner().host.unwrap();
    let refused = machine(1).adopt(&rack, &token(&rack).await).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("there is a host db-1 already"), "{refused:?}");
    assert_eq!(read(&rack, "db-1").await.spec, there.spec);
    let nameless = Debian { hostname: "localhost".into(), ..machine(2) };
    let refused = nameless.adopt(&rack, &token(&rack).await).await.unwrap_err();
    assert!(refused.message().contains("underlay adopt NAME"), "{refused:?}");
}

#[tokio::test]
async fn a_system_that_was_installed_anew_is_the_same_host_by_its_operators_word_only() {
    let rack = rack().await;
    let old = machine(1);
    let before = old.adopt(&rack, &token(&rack).await).await.unwrap();
    let anew = machine(1);
    let refused = anew.adopt(&rack, &token(&rack).await).await.unwrap_err();
    assert!(refused.message().contains("underlay adopt db-1 --again"), "{refused:?}");
    let again = || pb::OfferAdoptionRequest { key: key("db-1"), again: true, ..Default::default() };
    let token = offer(&rack, again()).await.unwrap().token;
    let other = machine(2).adopt(&rack, &token).await.unwrap_err();
    assert!(other.message().contains("another box"), "{other:?}");
    let after = anew.adopt(&rack, &token).await.unwrap();
    assert_eq!(after.host_id, before.host_id);
    assert_eq!(old.dial(&rack, &before.certificate).await.err().unwrap().code(), Code::PermissionDenied);
    assert_eq!(old.adopt(&rack, "").await.unwrap_err().code(), Code::PermissionDenied);
    anew.dial(&rack, &after.certificate).await.unwrap();
}

#[tokio::test]
async fn a_resident_is_heard_while_it_is_there_and_told_when_it_is_forgotten() {
    let rack = rack().await;
    let machine = machine(1);
    let adopted = machine.adopt(&rack, &token(&rack).await).await.unwrap();
    let host = settle(&rack, "db-1").await;
    let (line, orders) = machine.dial(&rack, &adopted.certificate).await.unwrap();
    noted(&rack, host, Line::Open).await;
    drop((line, orders));
    noted(&rack, host, Line::Closed).await;

    let renewed = machine.adopt(&rack, "").await.unwrap();
    let (_line, mut orders) = machine.dial(&rack, &renewed.certificate).await.unwrap();
    noted(&rack, host, Line::Open).await;
    forget(&rack, host).await;
    let told = tokio::time::timeout(Duration::from_secs(20), orders.message()).await.unwrap().unwrap();
    assert!(matches!(told.unwrap().order, Some(Order::Forgotten(_))));
    assert_eq!(orders.message().await.unwrap_err().code(), Code::PermissionDenied);
    for way_back in
        [machine.dial(&rack, &renewed.certificate).await.err(), machine.adopt(&rack, "").await.err()]
    {
        assert_eq!(way_back.expect("there is none").code(), Code::PermissionDenied);
    }
    assert_eq!(names(&rack).await, [""; 0]);
}

#[tokio::test]
async fn a_resident_is_never_given_work_and_an_agent_in_ram_never_lives_there() {
    let rack = rack().await;
    let machine = machine(1);
    let adopted = machine.adopt(&rack, &token(&rack).await).await.unwrap();
    let host = settle(&rack, "db-1").await;
    let assignment = underlay_core::agent::Assignment {
        host,
        on_behalf_of: host,
        epoch: 0,
        task: underlay_core::agent::Task::Leave(underlay_core::agent::Leave::Reboot),
    };
    rack.enter::<Host>(host, host::State::Available, Default::default(), vec![Effect::Assign(assignment)])
        .await;
    let channel = rack.remote(Some(machine.identity(&adopted.certificate))).await.unwrap();
    let hello = pb::Hello { epoch: 0, inventory: Some(inventory(1)), ..Default::default() };
    let hello = pb::AgentMessage { message: Some(Message::Hello(hello)) };
    let mut agents = AgentServiceClient::new(channel);
    let refused = agents.work(tokio_stream::iter([hello])).await.err().unwrap();
    assert_eq!(refused.code(), Code::Unauthenticated);

    let csr = CertificateParams::default().serialize_request(&machine.key).unwrap().der().to_vec();
    let in_ram = underlay_api::tls::AgentIdentity { host, epoch: 1 };
    let certificate = rack.authority.agent(&rack.authority.check(&csr).unwrap(), in_ram).unwrap();
    assert_eq!(machine.dial(&rack, &certificate).await.err().unwrap().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn only_operators_make_tokens_and_only_within_their_reach() {
    let rack = rack().await;
    for (role, code) in [("tenant", Code::PermissionDenied), ("viewer", Code::PermissionDenied)] {
        let bearer = rack.token(role, "").await;
        let mut hosts = HostServiceClient::new(rack.remote(None).await.unwrap());
        let refused = hosts.offer_adoption(bearing(&bearer, pb::OfferAdoptionRequest::default())).await;
        assert_eq!(refused.unwrap_err().code(), code, "{role}");
    }
    let bearer = rack.token("operator", "web").await;
    let mut hosts = HostServiceClient::new(rack.remote(None).await.unwrap());
    let refused = hosts.offer_adoption(bearing(&bearer, pb::OfferAdoptionRequest::default())).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied, "of another owner");
    let named = |name: &str, uses, ttl_seconds| pb::OfferAdoptionRequest {
        key: key(name),
        uses,
        ttl_seconds,
        ..Default::default()
    };
    let bad = offer(&rack, named("db-1", 2, 1 << 40)).await.unwrap_err();
    assert_eq!(blamed(&bad), ["ttl_seconds", "uses"]);
    let missing = pb::OfferAdoptionRequest { again: true, ..named("nobody", 1, 0) };
    assert_eq!(offer(&rack, missing).await.unwrap_err().code(), Code::NotFound);
    std::fs::remove_file(rack.ramdisk().join("agent")).unwrap();
    let refused = offer(&rack, pb::OfferAdoptionRequest::default()).await.unwrap_err();
    assert!(refused.message().contains("there is no agent to install"), "{refused:?}");
}

#[tokio::test]
async fn what_an_agent_says_is_bounded() {
    let rack = rack().await;
    let token = token(&rack).await;
    let long = Debian { hostname: "x".repeat(254), ..machine(1) };
    assert_eq!(blamed(&long.adopt(&rack, &token).await.unwrap_err()), ["system.hostname"]);
    let mut liar = machine(1);
    liar.inventory.nics = vec![liar.inventory.nics[0].clone(); 257];
    assert_eq!(blamed(&liar.adopt(&rack, &token).await.unwrap_err()), ["inventory.nics"]);
    let adopted = machine(1).adopt(&rack, &token).await.unwrap();
    assert_eq!(adopted.host_name, "db-1", "and the token was not spent");
}

/// Plays the machine that took the system of `host`: its agent is to write this.
async fn give(rack: &Rack, host: ObjectId, fingerprint: &str) {
    let file = attributes::File {
        path: "/etc/underlay/secrets.json".into(),
        content: attributes::Content("{}".into()),
        mode: "0600".into(),
        owner: "root:root".into(),
    };
    let attributes = attributes::Attributes { fingerprint: fingerprint.into(), files: vec![file] };
    let task = underlay_core::agent::Task::Attributes(attributes);
    let work = underlay_core::agent::Assignment { host, on_behalf_of: host, epoch: 1, task };
    rack.enter::<Host>(host, host::State::Available, Default::default(), vec![Effect::Assign(work)]).await;
}

/// The next order, which is one of attributes.
async fn ordered(orders: &mut Streaming<pb::ResidentOrder>) -> pb::resident_order::Attributes {
    let order = tokio::time::timeout(Duration::from_secs(20), orders.message()).await.unwrap().unwrap();
    match order.unwrap().order {
        Some(Order::Attributes(attributes)) => attributes,
        other => panic!("{other:?}"),
    }
}

fn wrote(fingerprint: &str) -> pb::ResidentReport {
    let written = pb::WrittenAttributes { fingerprint: fingerprint.into(), failure: String::new() };
    pb::ResidentReport { written: Some(written), ..Default::default() }
}

#[tokio::test]
async fn a_resident_is_told_its_attributes_as_they_change_and_says_what_it_wrote() {
    let rack = rack().await;
    let machine = machine(1);
    let adopted = machine.adopt(&rack, &token(&rack).await).await.unwrap();
    let host = settle(&rack, "db-1").await;
    let (line, mut orders) = machine.dial(&rack, &adopted.certificate).await.unwrap();
    noted(&rack, host, Line::Open).await;
    give(&rack, host, "a").await;
    let told = ordered(&mut orders).await;
    assert_eq!((told.fingerprint.as_str(), told.files.len()), ("a", 1));
    assert_eq!(told.files[0].content, b"{}");
    line.send(wrote("a")).await.unwrap();
    written(&rack, host, "a").await;
    give(&rack, host, "b").await;
    assert_eq!(ordered(&mut orders).await.fingerprint, "b");
    line.send(wrote("b")).await.unwrap();
    written(&rack, host, "b").await;
    rack.enter::<Host>(host, host::State::Available, Default::default(), vec![Effect::Unassign { host }])
        .await;
    assert_eq!(ordered(&mut orders).await, pb::resident_order::Attributes::default(), "all of them go");
    line.send(wrote("")).await.unwrap();
    written(&rack, host, "").await;
    // It says so once each time it is told.
    line.send(wrote("made up")).await.unwrap();
    let refused = orders.message().await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    written(&rack, host, "").await;
}

/// Waits until it is noted that those are written.
async fn written(rack: &Rack, host: ObjectId, wanted: &str) {
    let mut hint = rack.store.hint();
    let look = async {
        loop {
            hint.mark_unchanged();
            let seen = rack.store.observations(host).await.unwrap();
            let is_noted =
                |body: &Body| matches!(body, Body::Resident { written, .. } if written.fingerprint == wanted);
            if seen.iter().any(|seen| is_noted(&seen.body)) {
                return;
            }
            hint.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), look).await.expect("it is noted");
}
