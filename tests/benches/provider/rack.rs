//! A store with machines that are ready, made without booting any: the server's own engine runs over it with controllers
//! that say at once what a deployment would have said in the end.
//!
//! Each machine has a host with an inventory. As many spare hosts stand beside them, for plans that create machines.

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use underlay_core::{
    Bytes, Controller, Effect, ErrorKind, Failure, Key, Kind, Mac, Noun, Snapshot, Step, View,
    agent::{Disk, Inventory, Nic},
    host::{self, Host},
    image::{self, Image},
    machine::{self, Deployed, Machine},
};
use underlay_engine::{Config, Engine};
use underlay_store::{Intent, PutRequest, Store};

/// The image on every machine.
pub const SHA256: &str = "91ac9ce0cb3ca9f3a5b4a0a3f8a9f0c2b4d6e8f00112233445566778899aabbc";
/// A public key, as users put one on each machine.
pub const SSH_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGbM3RZy4Kk1c5V3pR0Hq0d3mJvJ0kQd1m4J2Jw0bench operator@example";

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Puts `count` machines `m-N` on hosts `h-N`, and as many hosts `spare-N`, into the store, and brings all to rest.
pub async fn fill(store: &Store, count: usize) -> Result<()> {
    let image = image::Spec {
        url: "https://images.example/debian-12.raw.zst".into(),
        sha256: SHA256.parse()?,
        arch: "x86_64".into(),
        seed: image::SeedFormat::default(),
    };
    put::<Image>(store, "debian-12", &image).await?;
    for number in 0..count {
        put::<Host>(store, &format!("h-{number}"), &host_spec()).await?;
        put::<Host>(store, &format!("spare-{number}"), &host_spec()).await?;
        put::<Machine>(store, &format!("m-{number}"), &machine_spec(number)).await?;
    }
    let engine =
        Engine::new(store.clone(), Config::default()).register(Images).register(Hosts).register(Machines);
    let cancel = CancellationToken::new();
    let task = tokio::spawn(engine.run(cancel.clone()));
    let kinds = [Kind::Image, Kind::Host, Kind::Machine].into();
    let mut hint = store.hint();
    while store.next_run(&kinds).await?.is_some() {
        // A step that changes nothing gives no hint, so look now and then.
        let _ = tokio::time::timeout(std::time::Duration::from_millis(50), hint.changed()).await;
    }
    cancel.cancel();
    Ok(task.await?)
}

async fn put<N: Noun>(store: &Store, name: &str, spec: &N::Spec) -> Result<()> {
    let key = Key { site: Default::default(), owner: Default::default(), name: name.parse()? };
    store.put(PutRequest::new::<N>(key, spec, Intent::Create)?).await?;
    Ok(())
}

fn host_spec() -> host::Spec {
    let qemu = host::Qemu {
        cpus: 1,
        memory: Bytes(1 << 30),
        disks: vec![Bytes(4 << 30)],
        forward: vec![22],
        tap: None,
    };
    host::Spec {
        pool: "default".into(),
        labels: [("rack".to_owned(), "r1".to_owned())].into(),
        identity: host::Identity::default(),
        boot: host::Boot::default(),
        driver: host::Driver::Qemu(qemu),
        protected: false,
        on_destroy: host::OnDestroy::PowerOff,
    }
}

fn machine_spec(number: usize) -> machine::Spec {
    machine::Spec {
        hostname: format!("m-{number}"),
        image: format!("debian-12@sha256:{SHA256}"),
        host: Some(format!("h-{number}")),
        require: None,
        spread: None,
        root: machine::RootHint::default(),
        volumes: Default::default(),
        network: None,
        ssh_keys: vec![SSH_KEY.to_owned()],
        user_data_digest: None,
        profiles: Vec::new(),
        values: Default::default(),
        secret_values: None,
        steps: Default::default(),
        allow_disruption: machine::Allowance::Reboot,
        redeploy: machine::Redeploy::default(),
        wait_for: machine::WaitFor::Booted,
    }
}

fn inventory() -> Inventory {
    let disk = Disk {
        name: "vda".into(),
        kind: "virtio".into(),
        size: Bytes(4 << 30),
        sector: 512,
        ..Disk::default()
    };
    let nic = Nic {
        name: "eth0".into(),
        mac: Mac([0x52, 0x54, 0, 0, 0, 1]),
        link: true,
        speed: Some(10_000),
        addresses: vec![std::net::Ipv4Addr::new(10, 0, 2, 15).into()],
        driver: Some("virtio_net".into()),
        boot: true,
        neighbour: None,
    };
    Inventory {
        serial: Some("SERIAL-1".into()),
        uuid: Some("6a0ff1ce-0000-4000-8000-000000000001".into()),
        vendor: Some("QEMU".into()),
        product: Some("Standard PC (Q35 + ICH9, 2009)".into()),
        arch: "x86_64".into(),
        firmware: "uefi".into(),
        cpus: 1,
        memory: Bytes(1 << 30),
        disks: vec![disk],
        nics: vec![nic],
        ..Inventory::default()
    }
}

struct Images;

#[async_trait]
impl Controller for Images {
    type Noun = Image;

    async fn step(
        &self,
        snapshot: &Snapshot<Image>,
        _: &dyn View,
    ) -> std::result::Result<Step<Image>, Failure> {
        let status = image::Status {
            format: Some("raw.zst".into()),
            virtual_size: Some(Bytes(2 << 30)),
            stored_size: Some(Bytes(200 << 20)),
            manifest_digest: Some(SHA256.into()),
        };
        Ok(match snapshot.object.state {
            image::State::Ready => Step::done(status, None),
            _ => Step::advance(status, image::State::Ready),
        })
    }
}

struct Hosts;

#[async_trait]
impl Controller for Hosts {
    type Noun = Host;

    async fn step(
        &self,
        snapshot: &Snapshot<Host>,
        _: &dyn View,
    ) -> std::result::Result<Step<Host>, Failure> {
        let status = host::Status {
            inventory: Some(inventory()),
            inventoried_at: Some(snapshot.object.meta.created_at),
            ..host::Status::default()
        };
        Ok(match snapshot.object.state {
            host::State::Available => Step::done(status, None),
            _ => Step::advance(status, host::State::Available),
        })
    }
}

struct Machines;

#[async_trait]
impl Controller for Machines {
    type Noun = Machine;

    async fn step(
        &self,
        snapshot: &Snapshot<Machine>,
        view: &dyn View,
    ) -> std::result::Result<Step<Machine>, Failure> {
        let object = &snapshot.object;
        if matches!(object.state, machine::State::Ready { .. }) {
            return Ok(Step::done(object.status.clone(), None));
        }
        let name = object.spec.host.as_deref().unwrap_or_default();
        let host =
            view.by_name(&object.meta.key, Kind::Host, name).await.map_err(|error| unreadable(&error))?;
        let host = host.ok_or_else(|| unreadable(&std::fmt::Error))?.meta.id;
        let deployed =
            Deployed { ready_at: Some(object.meta.created_at), ..Deployed::of(&object.spec, host, name, 1) };
        let status = machine::Status {
            host: Some(host),
            host_name: object.spec.host.clone(),
            inventory: Some(inventory()),
            address: Some("10.0.2.15".into()),
            ssh_host_keys: vec![SSH_KEY.to_owned()],
            root_disk: Some("vda".into()),
            deployed: Some(deployed.clone()),
            epoch: 1,
            deployments: 1,
            ..machine::Status::default()
        };
        Ok(Step::advance(status, machine::State::Ready { deployed }).with(Effect::Claim { host }))
    }
}

fn unreadable(error: &dyn std::error::Error) -> Failure {
    Failure::new(
        ErrorKind::Transient,
        "reading the host",
        error.to_string(),
        "nothing",
        "run the benchmark again",
    )
}
