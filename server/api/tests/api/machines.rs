//! What an apply may do to a machine: the fence, the fingerprint, the host it names.

use tonic::{Code, transport::Channel};
use underlay_core::{
    Bytes, Effect, ErrorKind, Failure, Mac,
    agent::{Disk, Inventory, Nic},
    host::{self, Host},
    image::{self as core_image, Image},
    machine::{Deployed, Machine, State},
};
use underlay_proto::v1::{
    self as pb, PutResult, host_service_client::HostServiceClient, image_service_client::ImageServiceClient,
    machine_service_client::MachineServiceClient, pool_service_client::PoolServiceClient,
};

use crate::harness::{Rack, blamed, by_id, holding, id, image, key, machine, qemu_host};

/// A host `lab-1`, images `debian` of `a`, and a client for machines.
struct Lab {
    rack: Rack,
    host: pb::Meta,
    image: pb::Meta,
    machines: MachineServiceClient<Channel>,
}

impl Lab {
    async fn new() -> Self {
        let rack = Rack::start().await;
        let mut hosts = HostServiceClient::new(rack.local().await);
        let host = hosts.put(qemu_host("lab-1")).await.unwrap().into_inner().host.unwrap().meta.unwrap();
        let mut images = ImageServiceClient::new(rack.local().await);
        let image = images.put(image("debian", 'a')).await.unwrap().into_inner().image.unwrap().meta.unwrap();
        let machines = MachineServiceClient::new(rack.local().await);
        Self { rack, host, image, machines }
    }

    async fn host_is(&self, state: host::State, inventory: Option<Inventory>) {
        let status = host::Status { inventory, ..Default::default() };
        self.rack.enter::<Host>(id(&self.host), state, status, Vec::new()).await;
    }

    async fn image_becomes(&self, digit: char) {
        let mut images = ImageServiceClient::new(self.rack.local().await);
        let put = pb::PutImageRequest { options: holding(&self.image), ..image("debian", digit) };
        images.put(put).await.unwrap();
    }

    /// A machine `web` that runs on `lab-1`.
    async fn running(&mut self) -> pb::Meta {
        let made =
            self.machines.put(machine("web", "lab-1", 'a')).await.unwrap().into_inner().machine.unwrap();
        let meta = made.meta.unwrap();
        let record = self.rack.store.get(id(&meta)).await.unwrap().unwrap();
        let spec = record.raw.decode::<Machine>().unwrap().spec;
        let deployed = Deployed::of(&spec, id(&self.host), "r1u7", 1);
        let claim = Effect::Claim { host: id(&self.host) };
        self.rack
            .enter::<Machine>(id(&meta), State::Ready { deployed }, Default::default(), vec![claim])
            .await;
        meta
    }

    async fn errors(&mut self, put: pb::PutMachineRequest) -> Vec<(String, String)> {
        let preview = self.machines.preview(put).await.unwrap().into_inner();
        preview.errors.into_iter().map(|error| (error.attribute, error.message)).collect()
    }
}

fn inventory(disks: &[u64]) -> Inventory {
    let disks = disks.iter().enumerate().map(|(at, gib)| Disk {
        name: format!("vd{at}"),
        kind: "virtio".into(),
        size: Bytes(gib << 30),
        ..Disk::default()
    });
    let nic = Nic {
        name: "eth0".into(),
        mac: Mac([0x52, 0x54, 0, 0, 0, 1]),
        link: true,
        speed: None,
        addresses: Vec::new(),
        driver: None,
        boot: true,
        neighbour: None,
    };
    Inventory { arch: "x86_64".into(), disks: disks.collect(), nics: vec![nic], ..Inventory::default() }
}

fn allowing(mut put: pb::PutMachineRequest, disruption: &str) -> pb::PutMachineRequest {
    put.spec.as_mut().unwrap().allow_disruption = disruption.into();
    put
}

#[tokio::test]
async fn a_new_machine_is_previewed_then_put_with_its_fingerprint() {
    let mut lab = Lab::new().await;
    let preview = lab.machines.preview(machine("web", "lab-1", 'a')).await.unwrap().into_inner();
    assert_eq!((preview.disruption.as_str(), preview.base_generation), ("none", 0));
    assert_eq!(preview.errors, []);
    let options = Some(pb::PutOptions { fingerprint: preview.fingerprint, ..Default::default() });
    let put = pb::PutMachineRequest { options, ..machine("web", "lab-1", 'a') };
    let put = lab.machines.put(put).await.unwrap().into_inner();
    assert_eq!(put.result(), PutResult::Created);
    assert_eq!(put.machine.unwrap().spec.unwrap().hostname, "web");
}

#[tokio::test]
async fn unknown_host_and_image_are_blamed_at_their_attributes() {
    let mut lab = Lab::new().await;
    let mut put = machine("web", "lab-9", 'a');
    put.spec.as_mut().unwrap().image = format!("suse@sha256:{}", "a".repeat(64));
    let refused = lab.machines.put(put.clone()).await.unwrap_err();
    assert_eq!(
        (refused.code(), blamed(&refused)),
        (Code::InvalidArgument, vec!["host".into(), "image".into()])
    );
    let told: Vec<_> = lab.errors(put).await.into_iter().map(|(attribute, _)| attribute).collect();
    assert_eq!(told, ["host", "image"]);
    let other_content = lab.machines.put(machine("web", "lab-1", 'b')).await.unwrap_err();
    assert_eq!(blamed(&other_content), ["image"]);
    assert!(other_content.message().contains("underlay_image.debian.id"), "{other_content}");
}

#[tokio::test]
async fn an_image_bump_erases_nothing_until_somebody_allows_it() {
    let mut lab = Lab::new().await;
    let meta = lab.running().await;
    lab.image_becomes('b').await;
    let bump = pb::PutMachineRequest { options: holding(&meta), ..machine("web", "lab-1", 'b') };
    let preview = lab.machines.preview(bump.clone()).await.unwrap().into_inner();
    assert_eq!(preview.disruption, "erase_root");
    assert_eq!(preview.errors[0].attribute, "allow_disruption");
    assert!(preview.errors[0].message.contains("write allow_disruption = \"erase_root\""), "{preview:?}");
    let refused = lab.machines.put(bump.clone()).await.unwrap_err();
    assert_eq!(
        (refused.code(), blamed(&refused)),
        (Code::FailedPrecondition, vec!["allow_disruption".into()])
    );
    let untouched = lab.rack.store.get(id(&meta)).await.unwrap().unwrap();
    assert_eq!(untouched.raw.meta.generation, 1);

    let allowed = lab.machines.put(allowing(bump, "erase_root")).await.unwrap().into_inner();
    assert_eq!(allowed.result(), PutResult::Updated);
    let operation = lab.rack.store.operations(Some(id(&meta)), 1).await.unwrap().remove(0);
    assert_eq!(operation.verb.as_str(), "redeploy");
}

#[tokio::test]
async fn what_waits_is_shown_as_pending_and_needs_no_permission() {
    let mut lab = Lab::new().await;
    let meta = lab.running().await;
    let mut change = pb::PutMachineRequest { options: holding(&meta), ..machine("web", "lab-1", 'a') };
    change.user_data = Some("#cloud-config\ncanary-91".into());
    let preview = lab.machines.preview(change.clone()).await.unwrap().into_inner();
    assert_eq!((preview.disruption.as_str(), preview.pending), ("none", vec!["config".to_owned()]));
    let put = lab.machines.put(change).await.unwrap().into_inner().machine.unwrap();
    let digest = put.spec.clone().unwrap().user_data_digest;
    assert_eq!(digest, blake3::hash(b"#cloud-config\ncanary-91").to_hex().to_string());
    assert!(!format!("{put:?}").contains("canary"));

    let meta = put.meta.unwrap();
    let mut lying = pb::PutMachineRequest { options: holding(&meta), ..machine("web", "lab-1", 'a') };
    lying.spec.as_mut().unwrap().user_data_digest = "0".repeat(64);
    let kept = lab.machines.put(lying.clone()).await.unwrap().into_inner();
    assert_eq!(kept.result(), PutResult::Unchanged, "a digest from the caller is not believed");
    lying.clear_user_data = true;
    let cleared = lab.machines.put(lying).await.unwrap().into_inner().machine.unwrap();
    assert_eq!(cleared.spec.unwrap().user_data_digest, "");
}

#[tokio::test]
async fn an_approved_plan_is_refused_once_reality_is_worse() {
    let mut lab = Lab::new().await;
    let put = allowing(machine("web", "lab-1", 'a'), "erase_root");
    let mut raised = put.clone();
    raised.spec.as_mut().unwrap().redeploy = Some(pb::Redeploy { on: vec!["image".into()], generation: 2 });
    let made = lab.machines.put(put).await.unwrap().into_inner().machine.unwrap().meta.unwrap();
    raised.options = holding(&made);
    let approved = lab.machines.preview(raised.clone()).await.unwrap().into_inner();
    assert_eq!(approved.disruption, "none", "nothing is on the disk yet");

    let record = lab.rack.store.get(id(&made)).await.unwrap().unwrap();
    let spec = record.raw.decode::<Machine>().unwrap().spec;
    let deployed = Deployed::of(&spec, id(&lab.host), "r1u7", 1);
    lab.rack.enter::<Machine>(id(&made), State::Ready { deployed }, Default::default(), Vec::new()).await;
    raised.options.as_mut().unwrap().fingerprint = approved.fingerprint;
    let refused = lab.machines.put(raised.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    for part in ["\"none\"", "\"erase_root\"", "deployment 0", "plan again"] {
        assert!(refused.message().contains(part), "{part}: {}", refused.message());
    }

    let anew = lab.machines.preview(raised.clone()).await.unwrap().into_inner();
    raised.options.as_mut().unwrap().fingerprint = anew.fingerprint;
    assert!(lab.machines.put(raised.clone()).await.is_ok());
    raised.options.as_mut().unwrap().fingerprint = "b3:junk".into();
    assert_eq!(blamed(&lab.machines.put(raised).await.unwrap_err()), ["fingerprint"]);
}

#[tokio::test]
async fn a_host_that_another_machine_has_is_not_given_away() {
    let mut lab = Lab::new().await;
    lab.machines.put(machine("web", "lab-1", 'a')).await.unwrap();
    let second = lab.machines.put(machine("db", "lab-1", 'a')).await.unwrap_err();
    assert_eq!((second.code(), blamed(&second)), (Code::FailedPrecondition, vec!["host".into()]));
    assert!(second.message().contains("machine web (owner default)"), "named before it is claimed: {second}");
    let mut lab = Lab::new().await;
    lab.running().await;
    let errors = lab.errors(machine("db", "lab-1", 'a')).await;
    assert!(errors[0].1.contains("claimed by machine web"), "{errors:?}");
}

#[tokio::test]
async fn protected_and_quarantined_hosts_are_not_written_to() {
    let mut lab = Lab::new().await;
    let failure =
        Failure::new(ErrorKind::Permanent, "host lab-1", "its disk is dying", "it was set aside", "");
    lab.host_is(host::State::Quarantined { failure, spec: String::new() }, None).await;
    let errors = lab.errors(machine("web", "lab-1", 'a')).await;
    assert!(errors[0].1.contains("quarantined: its disk is dying"), "{errors:?}");

    lab.host_is(host::State::Available, None).await;
    let mut hosts = HostServiceClient::new(lab.rack.local().await);
    let mut put = pb::PutHostRequest { options: holding(&lab.host), ..qemu_host("lab-1") };
    put.spec.as_mut().unwrap().protected = true;
    hosts.put(put).await.unwrap();
    let refused = lab.machines.put(machine("web", "lab-1", 'a')).await.unwrap_err();
    assert!(refused.message().contains("protected = false in underlay_host.lab-1"), "{refused}");
}

#[tokio::test]
async fn a_host_that_boots_in_no_way_that_its_pool_trusts_is_not_written_to() {
    let mut lab = Lab::new().await;
    lab.host_is(host::State::Available, None).await;
    let pools = PoolServiceClient::new(lab.rack.local().await);
    let put = async |trust: &str| {
        let spec = Some(pb::PoolSpec { trust: trust.into(), ..Default::default() });
        pools.clone().put(pb::PutPoolRequest { key: key("default"), spec, options: None }).await
    };
    let unknown = put("the_cable").await.unwrap_err();
    assert_eq!((unknown.code(), blamed(&unknown)), (Code::InvalidArgument, vec!["trust".into()]));
    put("virtual_media").await.unwrap();
    let refused = lab.machines.put(machine("web", "lab-1", 'a')).await.unwrap_err();
    assert_eq!((refused.code(), blamed(&refused)), (Code::FailedPrecondition, vec!["host".into()]));
    assert!(refused.message().contains("put \"virtual_media\" into boot.methods"), "{refused}");
    put("segment").await.unwrap();
    lab.machines.put(machine("web", "lab-1", 'a')).await.unwrap();
}

#[tokio::test]
async fn a_protected_host_keeps_its_machine_and_lets_it_change_what_erases_nothing() {
    let mut lab = Lab::new().await;
    let meta = lab.running().await;
    let mut hosts = HostServiceClient::new(lab.rack.local().await);
    let mut put = pb::PutHostRequest { options: holding(&lab.host), ..qemu_host("lab-1") };
    put.spec.as_mut().unwrap().protected = true;
    hosts.put(put).await.unwrap();
    let delete = pb::DeleteRequest { selector: by_id(&meta), incarnation: meta.incarnation.clone() };
    let refused = lab.machines.delete(delete).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("protected = false in underlay_host.lab-1"), "{refused}");
    let mut keys = pb::PutMachineRequest { options: holding(&meta), ..machine("web", "lab-1", 'a') };
    keys.spec.as_mut().unwrap().ssh_keys = vec!["ssh-ed25519 AAAA ops".into()];
    assert!(lab.machines.put(keys.clone()).await.is_ok());
    keys.spec.as_mut().unwrap().redeploy = Some(pb::Redeploy { on: Vec::new(), generation: 2 });
    let erase = lab.machines.put(allowing(keys, "erase_root")).await.unwrap_err();
    assert!(erase.message().contains("is protected"), "{erase}");
}

#[tokio::test]
async fn moving_a_machine_is_refused_with_the_recipe() {
    let mut lab = Lab::new().await;
    let meta = lab.running().await;
    let mut hosts = HostServiceClient::new(lab.rack.local().await);
    hosts.put(qemu_host("lab-2")).await.unwrap();
    let moved = pb::PutMachineRequest { options: holding(&meta), ..machine("web", "lab-2", 'a') };
    let moved = allowing(moved, "move");
    let preview = lab.machines.preview(moved.clone()).await.unwrap().into_inner();
    assert_eq!((preview.disruption.as_str(), preview.errors[0].attribute.as_str()), ("move", "host"));
    assert!(
        preview.errors[0].message.contains("terraform apply -replace=underlay_machine.web"),
        "{preview:?}"
    );
    assert_eq!(blamed(&lab.machines.put(moved).await.unwrap_err()), ["host"]);
}

#[tokio::test]
async fn what_does_not_fit_the_inventory_is_known_before_anything_is_touched() {
    let mut lab = Lab::new().await;
    let status = core_image::Status { virtual_size: Some(Bytes(2 << 30)), ..Default::default() };
    lab.rack.enter::<Image>(id(&lab.image), core_image::State::Ready, status, Vec::new()).await;
    let put = machine("web", "lab-1", 'a');
    assert_eq!(lab.errors(put.clone()).await, [], "what is not known is no error");

    lab.host_is(host::State::Available, Some(inventory(&[1]))).await;
    let small = lab.errors(put.clone()).await;
    assert!(small[0].0 == "root" && small[0].1.contains("too small: the image needs 2GiB"), "{small:?}");
    lab.host_is(host::State::Available, Some(inventory(&[4, 4]))).await;
    let several = lab.errors(put.clone()).await;
    assert!(several[0].0 == "root" && several[0].1.contains("more than one disk"), "{several:?}");
    let mut hinted = put.clone();
    hinted.spec.as_mut().unwrap().root = Some(pb::RootHint { kind: "nvme".into(), ..Default::default() });
    let none = lab.errors(hinted).await;
    assert!(none[0].0 == "root" && none[0].1.contains("no disk matches"), "{none:?}");

    let arm = Inventory { arch: "aarch64".into(), ..inventory(&[4]) };
    lab.host_is(host::State::Available, Some(arm)).await;
    let arch = lab.errors(put.clone()).await;
    assert_eq!(arch, [("image".to_owned(), "is made for x86_64, host lab-1 is aarch64".to_owned())]);

    lab.host_is(host::State::Available, Some(inventory(&[4]))).await;
    let mut wired = put.clone();
    let address = |_| pb::LinkAddress::default();
    let addresses =
        ["boot", "eth0", "eth7"].into_iter().map(|name| (name.to_owned(), address(name))).collect();
    wired.spec.as_mut().unwrap().network = Some(pb::MachineNetwork { addresses, ..Default::default() });
    let nics = lab.errors(wired).await;
    let expected = "host lab-1 has no NIC eth7; it has boot, eth0".to_owned();
    assert_eq!(nics, [("network".to_owned(), expected)]);
    assert_eq!(lab.errors(put).await, []);
}

#[tokio::test]
async fn whatever_preview_lists_put_refuses() {
    let mut lab = Lab::new().await;
    lab.host_is(host::State::Available, Some(inventory(&[1, 1]))).await;
    let put = machine("web", "lab-1", 'a');
    let told: Vec<_> = lab.errors(put.clone()).await.into_iter().map(|(attribute, _)| attribute).collect();
    let refused = lab.machines.put(put).await.unwrap_err();
    assert_eq!(blamed(&refused), told);
    assert!(!told.is_empty());
}
