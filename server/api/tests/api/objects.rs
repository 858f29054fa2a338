//! What all nouns share: put, adopt, get, list, delete, and who stands in the way.

use tonic::Code;
use underlay_core::{Incarnation, host, image as core_image};
use underlay_proto::v1::{
    self as pb, PutResult, credential_service_client::CredentialServiceClient, delete_response::Outcome,
    host_service_client::HostServiceClient, image_service_client::ImageServiceClient,
    machine_service_client::MachineServiceClient, network_service_client::NetworkServiceClient,
};
use underlay_store::Decision;

use crate::harness::{
    Rack, bearing, blamed, by_id, by_name, detail, holding, id, image, key, machine, qemu_host,
};

fn network(name: &str) -> pb::PutNetworkRequest {
    let dhcp = pb::Dhcp {
        mode: "server".into(),
        range_first: "10.12.1.0".into(),
        range_last: "10.12.3.250".into(),
        ..Default::default()
    };
    let spec = pb::NetworkSpec { cidr: "10.12.0.0/22".into(), dhcp: Some(dhcp), ..Default::default() };
    pb::PutNetworkRequest { key: key(name), spec: Some(spec), options: None }
}

fn credential(name: &str, password: Option<&str>) -> pb::PutCredentialRequest {
    let spec = pb::CredentialSpec { username: "root".into(), secret_version: 1 };
    pb::PutCredentialRequest {
        key: key(name),
        spec: Some(spec),
        options: None,
        password: password.map(str::to_owned),
    }
}

fn delete(meta: &pb::Meta) -> pb::DeleteRequest {
    pb::DeleteRequest { selector: by_id(meta), incarnation: meta.incarnation.clone() }
}

#[tokio::test]
async fn a_network_is_put_read_listed_and_deleted() {
    let rack = Rack::start().await;
    let mut networks = NetworkServiceClient::new(rack.local().await);
    let put = networks.put(network("boot")).await.unwrap().into_inner();
    assert_eq!(put.result(), PutResult::Created);
    let made = put.network.unwrap();
    let meta = made.meta.clone().unwrap();
    assert_eq!((meta.kind.as_str(), meta.generation), ("network", 1));
    assert_eq!(made.spec.as_ref().unwrap().dhcp.as_ref().unwrap().lease_seconds, 3600);

    let get = pb::GetRequest { selector: by_name("boot"), incarnation: String::new() };
    assert_eq!(networks.get(get.clone()).await.unwrap().into_inner(), made);
    let missing = pb::GetRequest { selector: by_name("other"), ..get.clone() };
    let by_id = pb::GetRequest { selector: by_id(&meta), incarnation: String::new() };
    let foreign = pb::GetRequest { incarnation: Incarnation::new().to_string(), ..by_id.clone() };
    let requests = vec![get, missing.clone(), by_id.clone(), foreign, by_id];
    let batch = networks.batch_get(pb::BatchGetRequest { requests }).await.unwrap().into_inner();
    let found: Vec<_> = batch.entries.iter().map(|entry| entry.network.as_ref()).collect();
    assert_eq!(found, [Some(&made), None, Some(&made), None, Some(&made)]);
    assert_eq!(networks.get(missing).await.unwrap_err().code(), Code::NotFound);
    let listed = networks.list(pb::ListRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.networks, [made]);

    let preview = networks.preview(network("boot")).await.unwrap().into_inner();
    assert_eq!((preview.disruption.as_str(), preview.base_generation), ("none", 1));
    let gone = networks.delete(delete(&meta)).await.unwrap().into_inner();
    assert_eq!(gone.outcome(), Outcome::Deleting);
}

#[tokio::test]
async fn a_tombstone_says_that_an_object_is_gone_for_good() {
    let rack = Rack::start().await;
    let mut credentials = CredentialServiceClient::new(rack.local().await);
    let made = credentials.put(credential("bmc", Some("x"))).await.unwrap().into_inner().credential.unwrap();
    let meta = made.meta.unwrap();
    credentials.delete(delete(&meta)).await.unwrap();
    rack.commit(id(&meta), Decision::Gone, None, Vec::new()).await;
    let get = pb::GetRequest { selector: by_id(&meta), incarnation: meta.incarnation.clone() };
    let gone = credentials.get(get).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
    assert!(detail(&gone).existing.unwrap().purged_at.is_some());
    let again = credentials.delete(delete(&meta)).await.unwrap().into_inner();
    assert_eq!(again.outcome(), Outcome::Gone);
    let anew = credentials.put(credential("bmc", Some("x"))).await.unwrap().into_inner();
    assert_eq!(anew.result(), PutResult::Created);
}

#[tokio::test]
async fn a_secret_is_kept_sealed_and_never_comes_back() {
    let rack = Rack::start().await;
    let mut credentials = CredentialServiceClient::new(rack.local().await);
    let made = credentials.put(credential("bmc", Some("canary-7f3a"))).await.unwrap().into_inner();
    let meta = made.credential.clone().unwrap().meta.unwrap();
    assert!(!format!("{made:?}").contains("canary"));
    let update = pb::PutCredentialRequest { options: holding(&meta), ..credential("bmc", None) };
    let kept = credentials.put(update).await.unwrap().into_inner();
    assert_eq!(kept.result(), PutResult::Unchanged);
    use secrecy::ExposeSecret;
    let stored = rack.store.secret(id(&meta), underlay_core::credential::SECRET).await.unwrap().unwrap();
    assert_eq!(stored.expose_secret(), "canary-7f3a", "left out keeps the one that is stored");
}

#[tokio::test]
async fn an_object_is_adopted_until_its_incarnation_was_read_back() {
    let rack = Rack::start().await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    let first = hosts.put(qemu_host("lab-1")).await.unwrap().into_inner().host.unwrap().meta.unwrap();
    let put = hosts.put(qemu_host("lab-1")).await.unwrap().into_inner();
    assert_eq!(put.result(), PutResult::Adopted);
    let second = put.host.unwrap().meta.unwrap();
    assert_eq!(first.id, second.id);
    assert_ne!(first.incarnation, second.incarnation);

    let stale = pb::GetRequest { selector: by_id(&first), incarnation: first.incarnation.clone() };
    let gone = hosts.get(stale).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
    assert_eq!(detail(&gone).existing.unwrap().incarnation, second.incarnation);
    let untouched = hosts.delete(delete(&first)).await.unwrap().into_inner();
    assert_eq!(untouched.outcome(), Outcome::Stale);
    let update = pb::PutHostRequest { options: holding(&first), ..qemu_host("lab-1") };
    assert_eq!(hosts.put(update).await.unwrap_err().code(), Code::NotFound);

    let confirm = pb::GetRequest { selector: by_id(&second), incarnation: second.incarnation.clone() };
    hosts.get(confirm).await.unwrap();
    let taken = hosts.put(qemu_host("lab-1")).await.unwrap_err();
    assert_eq!(taken.code(), Code::AlreadyExists);
    assert!(
        taken.message().contains(&format!("terraform import underlay_host.lab-1 {}", second.id)),
        "{taken}"
    );
    assert_eq!(detail(&taken).existing.unwrap().id, second.id);
}

#[tokio::test]
async fn a_repeated_request_changes_nothing() {
    let rack = Rack::start().await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    let options = Some(pb::PutOptions { request_id: "r-1".into(), ..Default::default() });
    let put = pb::PutHostRequest { options, ..qemu_host("lab-1") };
    let first = hosts.put(put.clone()).await.unwrap().into_inner().host.unwrap();
    let second = hosts.put(put).await.unwrap().into_inner();
    assert_eq!(second.result(), PutResult::Unchanged);
    assert_eq!(second.host.unwrap().meta.unwrap().incarnation, first.meta.unwrap().incarnation);
}

#[tokio::test]
async fn an_update_of_another_generation_is_refused_and_a_retry_raises_it() {
    let rack = Rack::start().await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    let meta = hosts.put(qemu_host("lab-1")).await.unwrap().into_inner().host.unwrap().meta.unwrap();
    let mut options = holding(&meta).unwrap();
    options.retry = true;
    let retry = pb::PutHostRequest { options: Some(options.clone()), ..qemu_host("lab-1") };
    let retried = hosts.put(retry).await.unwrap().into_inner();
    assert_eq!(retried.result(), PutResult::Updated);
    assert_eq!(retried.host.unwrap().meta.unwrap().generation, 2);
    options.expected_generation = 1;
    let late = pb::PutHostRequest { options: Some(options), ..qemu_host("lab-1") };
    assert_eq!(hosts.put(late).await.unwrap_err().code(), Code::Aborted);
}

#[tokio::test]
async fn what_a_spec_names_must_exist() {
    let rack = Rack::start().await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    let redfish = pb::RedfishDriver {
        address: "https://10.0.9.17".into(),
        credential: "rack-1-bmc".into(),
        ..Default::default()
    };
    let identity = pb::HostIdentity { serial: "ABC".into(), ..Default::default() };
    let spec = pb::HostSpec {
        driver: Some(pb::host_spec::Driver::Redfish(redfish)),
        identity: Some(identity),
        ..Default::default()
    };
    let put = pb::PutHostRequest { key: key("r1u7"), spec: Some(spec), options: None };
    let refused = hosts.put(put.clone()).await.unwrap_err();
    assert_eq!(
        (refused.code(), blamed(&refused)),
        (Code::InvalidArgument, vec!["redfish.credential".into()])
    );
    let preview = hosts.preview(put.clone()).await.unwrap().into_inner();
    assert_eq!(preview.errors[0].attribute, "redfish.credential");

    let mut credentials = CredentialServiceClient::new(rack.local().await);
    let bmc = credentials.put(credential("rack-1-bmc", Some("x"))).await.unwrap().into_inner();
    hosts.put(put).await.unwrap();
    let used = credentials.delete(delete(&bmc.credential.unwrap().meta.unwrap())).await.unwrap_err();
    assert_eq!(used.code(), Code::FailedPrecondition);
    assert!(used.message().contains("host r1u7 (owner default) by its redfish.credential"), "{used}");
}

#[tokio::test]
async fn the_faults_of_a_spec_come_all_at_once_from_put_and_preview() {
    let rack = Rack::start().await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    let mut put = qemu_host("lab-1");
    let spec = put.spec.as_mut().unwrap();
    let qemu = pb::QemuDriver { memory_bytes: 1, ..Default::default() };
    spec.driver = Some(pb::host_spec::Driver::Qemu(qemu));
    let refused = hosts.put(put.clone()).await.unwrap_err();
    assert_eq!(blamed(&refused), ["qemu.cpus", "qemu.memory"]);
    let preview = hosts.preview(put).await.unwrap().into_inner();
    let told: Vec<_> = preview.errors.iter().map(|error| error.attribute.as_str()).collect();
    assert_eq!(told, ["qemu.cpus", "qemu.memory"]);
    let nameless = pb::PutHostRequest { key: key("No Name"), ..qemu_host("x") };
    assert_eq!(blamed(&hosts.put(nameless).await.unwrap_err()), ["name"]);
}

#[tokio::test]
async fn a_host_is_found_by_mac_serial_and_uuid_but_only_when_one_matches() {
    let rack = Rack::start().await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    for (name, serial) in [("a", "S-1"), ("b", "S-2"), ("c", "S-2")] {
        let mut put = qemu_host(name);
        let identity = pb::HostIdentity {
            serial: serial.into(),
            boot_mac: if name == "a" { "52:54:00:00:00:01".into() } else { String::new() },
            ..Default::default()
        };
        put.spec.as_mut().unwrap().identity = Some(identity);
        hosts.put(put).await.unwrap();
    }
    let by =
        |by| pb::GetRequest { selector: Some(pb::Selector { by: Some(by) }), incarnation: String::new() };
    use pb::selector::By;
    let found = hosts.get(by(By::Serial("S-1".into()))).await.unwrap().into_inner();
    assert_eq!(found.meta.unwrap().key.unwrap().name, "a");
    let found = hosts.get(by(By::Mac("52-54-00-00-00-01".into()))).await.unwrap().into_inner();
    assert_eq!(found.meta.unwrap().key.unwrap().name, "a");
    let several = hosts.get(by(By::Serial("S-2".into()))).await.unwrap_err();
    assert_eq!(several.code(), Code::InvalidArgument);
    let uuid = by(By::Uuid("00000000-0000-0000-0000-000000000001".into()));
    assert_eq!(hosts.get(uuid).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(blamed(&hosts.get(by(By::Mac("x".into()))).await.unwrap_err()), ["selector.mac"]);
}

#[tokio::test]
async fn a_protected_host_and_one_that_carries_a_machine_are_not_deleted() {
    let rack = Rack::start().await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    let mut put = qemu_host("lab-1");
    put.spec.as_mut().unwrap().protected = true;
    let meta = hosts.put(put).await.unwrap().into_inner().host.unwrap().meta.unwrap();
    let refused = hosts.delete(delete(&meta)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("protected = false in underlay_host.lab-1"), "{refused}");

    let open = pb::PutHostRequest { options: holding(&meta), ..qemu_host("lab-1") };
    hosts.put(open).await.unwrap();
    let mut images = ImageServiceClient::new(rack.local().await);
    let debian = images.put(image("debian", 'a')).await.unwrap().into_inner().image.unwrap().meta.unwrap();
    let mut machines = MachineServiceClient::new(rack.local().await);
    machines.put(machine("web", "lab-1", 'a')).await.unwrap();
    let refused = hosts.delete(delete(&meta)).await.unwrap_err();
    assert!(refused.message().contains("machine web"), "{refused}");
    let refused = images.delete(delete(&debian)).await.unwrap_err();
    assert!(refused.message().contains("machine web (owner default) by its image"), "{refused}");
}

#[tokio::test]
async fn a_host_is_switched_unless_a_machine_is_being_deployed_on_it() {
    use underlay_core::machine::{Deployed, Machine, Run, State};
    let rack = Rack::start().await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    let host = hosts.put(qemu_host("lab-1")).await.unwrap().into_inner().host.unwrap().meta.unwrap();
    let power = pb::PowerRequest { selector: by_name("lab-1"), action: 3 };
    assert_eq!(hosts.power(power.clone()).await.unwrap().into_inner().status.unwrap().power, "on");

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
    let claim = underlay_core::Effect::Claim { host: id(&host) };
    rack.enter::<Machine>(id(&web), State::Imaging { run }, Default::default(), vec![claim]).await;
    let refused = hosts.power(power).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("machine web is being deployed"), "{refused}");
    let look = pb::PowerRequest { selector: by_name("lab-1"), action: 4 };
    hosts.power(look).await.unwrap();
    assert_eq!(rack.power.asked.lock().unwrap().len(), 2, "the refused one never reached the driver");
}

#[tokio::test]
async fn a_persons_word_on_a_host_is_kept_each_time_and_only_where_nobody_else_can_be_asked() {
    use underlay_core::{
        bmc::Power,
        observation::{Body, Source},
    };
    let rack = Rack::start().await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    hosts.put(qemu_host("lab-1")).await.unwrap();
    let mut put = qemu_host("r1");
    let spec = put.spec.as_mut().unwrap();
    spec.driver = Some(pb::host_spec::Driver::Manual(pb::ManualDriver::default()));
    spec.identity = Some(pb::HostIdentity { serial: "SN-1".into(), ..Default::default() });
    let host = hosts.put(put).await.unwrap().into_inner().host.unwrap().meta.unwrap();

    let confirm =
        |name: &str, power: &str| pb::ConfirmRequest { selector: by_name(name), power: power.into() };
    let mut times = Vec::new();
    for (word, said) in [("off", Power::Off), ("off", Power::Off), ("on", Power::On)] {
        let answer = hosts.confirm(confirm("r1", word)).await.unwrap().into_inner();
        assert_eq!(answer.status.unwrap().power, word);
        let seen = rack.store.observations(id(&host)).await.unwrap();
        let seen = seen.into_iter().find(|seen| seen.source == Source::Person).unwrap();
        let Body::Confirmed { power, by, at } = seen.body else { panic!("{:?}", seen.body) };
        assert_eq!((power, by.as_str()), (said, "unix socket"));
        times.push(at);
    }
    assert!(times.is_sorted_by(|one, next| one < next), "the same word again is news: {times:?}");

    let off = pb::PowerRequest { selector: by_name("r1"), action: pb::power_request::Action::Off.into() };
    let refused = hosts.power(off).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("then: underlay host confirm r1 --power off"), "{refused}");
    assert!(rack.power.asked.lock().unwrap().is_empty());

    let refused = hosts.confirm(confirm("lab-1", "on")).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("underlay power observe host/lab-1"), "{refused}");
    for word in ["", "unknown", "ON"] {
        let refused = hosts.confirm(confirm("r1", word)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{word}");
    }
    let token = rack.token("operator", "team-web").await;
    let refused = hosts.confirm(bearing(&token, confirm("r1", "on"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn lists_go_page_by_page_and_filter_by_label_and_owner() {
    let rack = Rack::start().await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    for name in ["a", "b", "c"] {
        let mut put = qemu_host(name);
        put.spec.as_mut().unwrap().labels.insert("rack".into(), if name == "b" { "2" } else { "1" }.into());
        hosts.put(put).await.unwrap();
    }
    let names = |hosts: Vec<pb::Host>| -> Vec<String> {
        hosts.into_iter().map(|host| host.meta.unwrap().key.unwrap().name).collect()
    };
    let first = pb::ListRequest { page_size: 2, ..Default::default() };
    let page = hosts.list(first.clone()).await.unwrap().into_inner();
    assert_eq!(names(page.hosts), ["a", "b"]);
    let rest = hosts.list(pb::ListRequest { page_token: page.next_page_token, ..first }).await.unwrap();
    let rest = rest.into_inner();
    assert_eq!((names(rest.hosts), rest.next_page_token), (vec!["c".to_owned()], String::new()));
    let labels = [("rack".to_owned(), "1".to_owned())].into();
    let racked = hosts.list(pb::ListRequest { labels, ..Default::default() }).await.unwrap().into_inner();
    assert_eq!(names(racked.hosts), ["a", "c"]);
    let other = pb::ListRequest { owner: "team-x".into(), ..Default::default() };
    assert!(hosts.list(other).await.unwrap().into_inner().hosts.is_empty());
    for bad in [
        pb::ListRequest { page_size: -1, ..Default::default() },
        pb::ListRequest { page_size: 1001, ..Default::default() },
        pb::ListRequest { page_token: "x".into(), ..Default::default() },
    ] {
        assert_eq!(hosts.list(bad).await.unwrap_err().code(), Code::InvalidArgument);
    }
    let requests = vec![pb::GetRequest::default(); 1001];
    let many = hosts.batch_get(pb::BatchGetRequest { requests }).await.unwrap_err();
    assert_eq!(blamed(&many), ["requests"]);
}

#[tokio::test]
async fn a_source_is_uploaded_only_when_it_is_what_was_promised() {
    use pb::upload_request::Part;
    let rack = Rack::start().await;
    let mut images = ImageServiceClient::new(rack.local().await);
    let bytes = vec![7_u8; 300_000];
    let digest = hex::encode(ring::digest::digest(&ring::digest::SHA256, &bytes));
    let parts = |digest: &str| {
        let first = pb::UploadRequest { part: Some(Part::Sha256(digest.to_owned())) };
        let rest =
            bytes.chunks(100_000).map(|chunk| pb::UploadRequest { part: Some(Part::Data(chunk.to_vec())) });
        tokio_stream::iter(std::iter::once(first).chain(rest.collect::<Vec<_>>()).collect::<Vec<_>>())
    };
    let wrong = images.upload(parts(&"0".repeat(64))).await.unwrap_err();
    assert_eq!(blamed(&wrong), ["sha256"]);
    let files = || std::fs::read_dir(rack.directory.path().join("uploads")).unwrap().count();
    assert_eq!(files(), 0, "nothing is left of it");
    let done = images.upload(parts(&digest)).await.unwrap().into_inner();
    assert_eq!((done.url, done.size), (format!("upload://sha256/{digest}"), 300_000));
    assert_eq!(files(), 1);
    let chunk = pb::UploadRequest { part: Some(Part::Data(vec![0; 1 << 20])) };
    let first = pb::UploadRequest { part: Some(Part::Sha256(digest)) };
    let flood = images.upload(tokio_stream::iter(vec![first, chunk.clone(), chunk])).await.unwrap_err();
    assert_eq!(blamed(&flood), ["data"]);
}

#[tokio::test]
async fn a_host_shows_what_its_controller_found() {
    let rack = Rack::start().await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    let meta = hosts.put(qemu_host("lab-1")).await.unwrap().into_inner().host.unwrap().meta.unwrap();
    let status = host::Status { power: Some(underlay_core::bmc::Power::On), ..Default::default() };
    rack.enter::<host::Host>(id(&meta), host::State::Available, status, Vec::new()).await;
    let get = pb::GetRequest { selector: by_id(&meta), incarnation: String::new() };
    let shown = hosts.get(get).await.unwrap().into_inner();
    assert_eq!(shown.status.unwrap().power, "on");
    let standing = shown.standing.unwrap();
    assert_eq!((standing.phase.as_str(), standing.settled), ("available", true));
    assert_eq!(shown.meta.unwrap().observed_generation, 1);
}

#[tokio::test]
async fn an_image_shows_the_reference_that_machines_write() {
    let rack = Rack::start().await;
    let mut images = ImageServiceClient::new(rack.local().await);
    let made = images.put(image("debian", 'a')).await.unwrap().into_inner().image.unwrap();
    let meta = made.meta.unwrap();
    let status =
        core_image::Status { virtual_size: Some(underlay_core::Bytes(2 << 30)), ..Default::default() };
    rack.enter::<core_image::Image>(id(&meta), core_image::State::Ready, status, Vec::new()).await;
    let get = pb::GetRequest { selector: by_id(&meta), incarnation: String::new() };
    let status = images.get(get).await.unwrap().into_inner().status.unwrap();
    assert_eq!(status.reference, format!("debian@sha256:{}", "a".repeat(64)));
    assert_eq!(status.virtual_size, 2 << 30);
}

#[tokio::test]
async fn a_bmc_is_looked_at_for_those_who_may_and_a_login_is_not_kept() {
    use pb::check_host_request::Whose;
    let rack = Rack::start().await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    let meta = hosts.put(qemu_host("lab-1")).await.unwrap().into_inner().host.unwrap().meta.unwrap();
    let of_host = || pb::CheckHostRequest { whose: by_id(&meta).map(Whose::Host) };
    assert_eq!(hosts.check(of_host()).await.unwrap().into_inner().address, "lab-1");
    let login = |address: &str, password: &str| pb::CheckHostRequest {
        whose: Some(Whose::Bmc(pb::BmcLogin {
            key: Some(pb::Key { name: "bmc".into(), ..Default::default() }),
            redfish: Some(pb::RedfishDriver { address: address.into(), ..Default::default() }),
            username: "root".into(),
            password: password.into(),
        })),
    };
    let seen = hosts.check(login("https://10.0.9.17", "canary-4711")).await.unwrap().into_inner();
    assert_eq!(seen.address, "root@https://10.0.9.17");
    assert_eq!(blamed(&hosts.check(login("https://10.0.9.17", "")).await.unwrap_err()), ["bmc.password"]);
    for address in ["https://root:canary-4711@10.0.9.17", "10.0.9.17", "https://10.0.9.17/redfish"] {
        let refused = hosts.check(login(address, "canary-4711")).await.unwrap_err();
        assert_eq!(blamed(&refused), ["redfish.address"], "{address}");
    }
    assert_eq!(blamed(&hosts.check(pb::CheckHostRequest { whose: None }).await.unwrap_err()), ["whose"]);

    let mut remote = HostServiceClient::new(rack.remote(None).await.unwrap());
    let viewer = rack.token("viewer", "").await;
    let refused = remote.check(bearing(&viewer, of_host())).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let bound = rack.token("operator", "team-web").await;
    let refused = remote.check(bearing(&bound, login("https://10.0.9.17", "canary-4711"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "it is bound to another owner");
    let rows = rack.store.audit(&underlay_store::audit::Query::default(), 100).await.unwrap();
    assert!(!format!("{rows:?}").contains("canary-4711"), "{rows:?}");
}

#[tokio::test]
async fn what_is_wanted_of_a_host_is_kept_or_refused_at_once_with_what_to_do_instead() {
    use pb::tend_request::{Quarantine, Reinspect, Repair, Wish};
    let rack = Rack::start().await;
    let mut hosts = HostServiceClient::new(rack.local().await);
    let meta = hosts.put(qemu_host("lab-1")).await.unwrap().into_inner().host.unwrap().meta.unwrap();
    let wish = |wish: Wish| pb::TendRequest { selector: by_id(&meta), wish: Some(wish) };
    let because = |reason: &str| wish(Wish::Quarantine(Quarantine { reason: reason.into() }));
    let enrolling = hosts.tend(because("fan rattles")).await.unwrap_err();
    assert_eq!(enrolling.code(), tonic::Code::FailedPrecondition);
    rack.enter::<host::Host>(id(&meta), host::State::Available, Default::default(), Vec::new()).await;
    for vague in [because(" "), because("a\nb"), pb::TendRequest { selector: by_id(&meta), wish: None }] {
        assert_eq!(hosts.tend(vague).await.unwrap_err().code(), tonic::Code::InvalidArgument);
    }
    let repair = hosts.tend(wish(Wish::Repair(Repair {}))).await.unwrap_err();
    assert_eq!(repair.code(), tonic::Code::FailedPrecondition, "it is not quarantined");
    for good in [because("fan rattles"), wish(Wish::Reinspect(Reinspect {}))] {
        hosts.tend(good).await.unwrap();
    }
    let seen = rack.store.observations(id(&meta)).await.unwrap();
    let wished = seen.iter().find(|seen| seen.source == underlay_core::observation::Source::Operator);
    assert!(format!("{:?}", wished.unwrap().body).contains("Reinspect"), "the newest counts");
}
