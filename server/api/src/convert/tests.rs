//! Every spec survives the wire; every mistake is found at its attribute.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use ipnet::{IpNet, Ipv4Net};
use proptest::{collection, option, prelude::*, sample::select};
use underlay_core::{
    self as core, Bytes, FieldError, Key, Mac,
    agent::{Dimm, Disk, Gpu, Inventory, Neighbour, Nic, NumaNode, PciDevice},
    host::{Boot, BootMethod, Driver, Firmware, Identity, Ipmi, Manual, OnDestroy, Qemu, Redfish, Tls},
    machine::{
        Address, Aspect, Bond, Disruption, Dns, Filesystem, Keep, Layout, Redeploy, RootHint, Vlan, Volume,
        WaitFor,
    },
};
use underlay_proto::v1 as pb;

use super::*;

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 ._-]{1,20}"
}

fn some_mac() -> impl Strategy<Value = Mac> {
    any::<[u8; 6]>().prop_map(Mac)
}

fn key() -> Key {
    let name = |text: &str| text.parse().unwrap();
    Key { site: name("default"), owner: name("default"), name: name("web-0") }
}

prop_compose! {
    fn redfish()(
        address in text(), credential in text(), system in option::of(text()),
        tls in prop_oneof![
            Just(Tls::Pin), Just(Tls::Insecure), "[ -~\n]{1,50}".prop_map(|pem| Tls::Ca { pem })
        ],
        own_password in any::<bool>(),
    ) -> Driver {
        Driver::Redfish(Redfish { address, credential, tls, system, own_password })
    }
}

prop_compose! {
    fn ipmi()(
        address in text(), credential in text(), cipher_suite in option::of(1..=u8::MAX),
    ) -> Driver {
        Driver::Ipmi(Ipmi { address, credential, cipher_suite })
    }
}

prop_compose! {
    fn manual()(webhook in option::of(text()), credential in option::of(text())) -> Driver {
        Driver::Manual(Manual { webhook, credential })
    }
}

prop_compose! {
    fn qemu()(
        cpus in any::<u32>(), memory in any::<u64>(), disks in collection::vec(any::<u64>(), 0..9),
        forward in collection::vec(any::<u16>(), 0..9), tap in option::of("[a-z0-9]{1,15}"),
    ) -> Driver {
        let disks = disks.into_iter().map(Bytes).collect();
        Driver::Qemu(Qemu { cpus, memory: Bytes(memory), disks, forward, tap })
    }
}

prop_compose! {
    fn host_spec()(
        pool in "[a-z0-9]{1,9}",
        labels in collection::btree_map(text(), text(), 0..4),
        identity in (option::of(some_mac()), option::of(text()), option::of(any::<u128>()), option::of("[0-9a-f]{64}")),
        mode in select(vec![Firmware::Bios, Firmware::Uefi]),
        methods in collection::vec(select(vec![BootMethod::Pxe, BootMethod::Http, BootMethod::VirtualMedia]), 1..4),
        address in option::of((any::<u32>(), 0_u8..=32, option::of(any::<u32>()))),
        driver in prop_oneof![redfish(), qemu(), ipmi(), manual(), Just(Driver::None)],
        protected in any::<bool>(),
        on_destroy in select(vec![OnDestroy::Forget, OnDestroy::PowerOff]),
    ) -> core::host::Spec {
        let (boot_mac, serial, uuid, tpm) = identity;
        let identity = Identity { boot_mac, serial, uuid: uuid.map(uuid::Uuid::from_u128), tpm };
        let address = address.map(|(address, prefix, gateway)| core::host::Address {
            cidr: ipnet::Ipv4Net::new(address.into(), prefix).expect("a prefix of at most 32"),
            gateway: gateway.map(Into::into),
        });
        core::host::Spec { pool, labels, identity, boot: Boot { mode, methods, address }, driver, protected, on_destroy }
    }
}

prop_compose! {
    fn network_spec()(
        cidr in (any::<u32>(), 0_u8..=32),
        gateway in option::of(any::<u32>()),
        dns in collection::vec(any::<u32>(), 0..4),
        domain in option::of(text()),
        dhcp in (
            select(vec![core::network::Mode::Server, core::network::Mode::Proxy, core::network::Mode::Off]),
            option::of(any::<(u32, u32)>()), option::of("[a-z0-9]{1,15}"), 1..u32::MAX,
        ),
        unknown in option::of(select(vec![
            core::network::Unknown::Discover, core::network::Unknown::LocalDisk, core::network::Unknown::Ignore,
        ])),
        reservations in collection::btree_map(some_mac(), any::<u32>().prop_map(Ipv4Addr::from), 0..5),
    ) -> core::network::Spec {
        let (mode, range, interface, lease_seconds) = dhcp;
        let range = range.map(|(first, last)| (Ipv4Addr::from(first), Ipv4Addr::from(last)));
        core::network::Spec {
            cidr: Ipv4Net::new(cidr.0.into(), cidr.1).unwrap(),
            gateway: gateway.map(Ipv4Addr::from),
            dns: dns.into_iter().map(Ipv4Addr::from).collect(),
            domain,
            dhcp: core::network::Dhcp { mode, range, interface, lease_seconds },
            unknown,
            reservations,
        }
    }
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)]
}

fn cidr() -> impl Strategy<Value = IpNet> {
    (address(), 0_u8..=32).prop_map(|(address, length)| IpNet::new(address, length).unwrap())
}

prop_compose! {
    fn machine_network()(
        bonds in collection::btree_map("[a-z0-9]{1,9}", (
            collection::vec("[a-z0-9]{1,9}", 0..3), text(), option::of(68_u16..),
        ), 0..3),
        vlans in collection::btree_map("[a-z0-9]{1,9}", ("[a-z0-9]{1,9}", any::<u16>(), option::of(68_u16..)), 0..3),
        addresses in collection::btree_map("[a-z0-9]{1,9}", (
            collection::vec(cidr(), 0..3), option::of(address()), option::of(any::<bool>()),
        ), 0..3),
        servers in collection::vec(address(), 0..3),
        search in collection::vec("[a-z.]{1,20}", 0..3),
    ) -> core::machine::Network {
        let bond = |(nics, mode, mtu)| Bond { nics, mode, mtu };
        let vlan = |(link, id, mtu)| Vlan { link, id, mtu };
        let address = |(cidrs, gateway, dhcp)| Address { cidrs, gateway, dhcp };
        fn each<A, B>(map: BTreeMap<String, A>, to: impl Fn(A) -> B) -> BTreeMap<String, B> {
            map.into_iter().map(|(name, it)| (name, to(it))).collect()
        }
        core::machine::Network {
            bonds: each(bonds, bond),
            vlans: each(vlans, vlan),
            addresses: each(addresses, address),
            dns: Dns { servers, search },
        }
    }
}

prop_compose! {
    fn require()(
        pool in text(), arch in option::of(text()), cpus in option::of(1..u32::MAX),
        memory in option::of(1..u64::MAX), gpus in option::of(1..u32::MAX),
        disks in collection::vec((option::of(text()), option::of(1..u64::MAX), 1..u32::MAX), 0..4),
        labels in collection::btree_map(text(), text(), 0..4),
    ) -> core::machine::Require {
        let disk = |(kind, size, count): (_, Option<u64>, _)| {
            core::machine::DiskNeed { kind, min_size: size.map(Bytes), count }
        };
        let disks = disks.into_iter().map(disk).collect();
        core::machine::Require { pool, arch, cpus, memory: memory.map(Bytes), disks, gpus, labels }
    }
}

prop_compose! {
    fn spread()(
        label in text(), group in option::of(text()),
        mode in select(vec![core::machine::SpreadMode::Prefer, core::machine::SpreadMode::Require]),
    ) -> core::machine::Spread {
        core::machine::Spread { label, mode, group }
    }
}

fn some_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        "\\PC{0,20}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..3).prop_map(serde_json::Value::from),
            collection::btree_map("[a-z]{1,5}", inner, 0..3)
                .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn values() -> impl Strategy<Value = core::profile::Values> {
    collection::btree_map("[a-z][a-z.]{0,10}[a-z]", some_value(), 0..3)
}

fn some_type() -> impl Strategy<Value = core::profile::Type> {
    select(vec!["string", "number", "bool", "list(string)", "map(list(number))"])
        .prop_map(|text| text.parse().expect("a type"))
}

fn secret_values() -> impl Strategy<Value = core::profile::SecretValues> {
    let types = collection::btree_map("[a-z]{1,5}", some_type(), 0..3);
    (any::<i64>(), types).prop_map(|(version, types)| core::profile::SecretValues { version, types })
}

prop_compose! {
    fn profile_spec()(
        schema in collection::btree_map("[a-z.]{1,9}", (some_type(), any::<bool>(), any::<bool>(), "[a-z ]{0,9}"), 0..3),
        values in values(),
        secret_values in option::of(secret_values()),
        files in collection::btree_map("/[a-z]{1,9}", (any::<bool>(), "\\PC{0,40}"), 0..3),
    ) -> core::profile::Spec {
        core::profile::Spec {
            schema: schema.into_iter().map(|(name, (ty, required, secret, description))| {
                (name, core::profile::Declaration { ty, required, secret, description })
            }).collect(),
            values,
            secret_values,
            files: files.into_iter().map(|(path, (is_template, text))| {
                let content = if is_template {
                    core::profile::Content::Template(text)
                } else {
                    core::profile::Content::Plain(text)
                };
                (path, core::profile::File { content, mode: "0600".into(), owner: "app:app".into() })
            }).collect(),
        }
    }
}

prop_compose! {
    fn steps()(
        pre_deploy in collection::vec(text(), 0..3), post_deploy in collection::vec(text(), 0..3),
    ) -> core::step::Steps {
        core::step::Steps { pre_deploy, post_deploy }
    }
}

prop_compose! {
    fn step_spec()(
        url in text(), credential in option::of(text()),
        declared in collection::btree_map("[a-z.]{1,9}", (some_type(), any::<bool>(), "[a-z ]{0,9}"), 0..3),
        values in values(),
        timeout in 1..u64::MAX, attempts in 1..u32::MAX, backoff in any::<u64>(),
        on_failure in select(vec![
            core::step::OnFailure::Fail, core::step::OnFailure::Quarantine, core::step::OnFailure::Continue,
        ]),
    ) -> core::step::Spec {
        let declared: BTreeMap<_, _> = declared.into_iter().map(|(name, (ty, required, description))| {
            (name, core::profile::Declaration { ty, required, secret: false, description })
        }).collect();
        core::step::Spec {
            work: core::step::Work::Webhook(core::step::Webhook { url, credential }),
            inputs: declared.clone(), outputs: declared, values, timeout,
            retry: core::step::Retry { attempts, backoff }, on_failure,
        }
    }
}

prop_compose! {
    fn rule()(
        texts in collection::vec(option::of("[a-z0-9*-]{1,20}"), 7),
        numbers in collection::vec(option::of(any::<u32>()), 3), memory in option::of(any::<u64>()),
        labels in collection::btree_map("[a-z]{1,8}", "[a-z]{0,8}", 0..3),
    ) -> core::pool::bind::Rule {
        let (mut texts, mut numbers) = (texts.into_iter(), numbers.into_iter());
        let mut text = || texts.next().flatten();
        let mut number = || numbers.next().flatten();
        let wants = core::pool::bind::Match {
            network: text(), vendor: text(), product: text(), serial: text(), mac: text(), arch: text(),
            firmware: text(), cpus: number(), disks: number(), gpus: number(), memory: memory.map(Bytes),
        };
        core::pool::bind::Rule { wants, labels }
    }
}

prop_compose! {
    fn pool_spec()(
        max_disrupted in option::of(prop_oneof![
            any::<u32>().prop_map(core::pool::Limit::Count), any::<u32>().prop_map(core::pool::Limit::Percent),
        ]),
        replacements in any::<u32>(),
        values in values(),
        bind in collection::vec(rule(), 0..3),
        trust in select(core::pool::Trust::ALL.to_vec()),
        steps in steps(),
        clean in select(core::cleaning::Policy::WORDS.map(|(_, policy)| policy).to_vec()),
    ) -> core::pool::Spec {
        core::pool::Spec { max_disrupted, replacements, values, bind, trust, clean, steps }
    }
}

prop_compose! {
    fn volume()(
        disks in collection::vec(text(), 1..3),
        layout in select(Layout::WORDS.map(|(_, layout)| layout).to_vec()),
        filesystem in select(Filesystem::WORDS.map(|(_, kind)| kind).to_vec()),
        mount in "/srv/[a-z]{1,8}",
        keep in select(vec![Keep::Preserve, Keep::Erase]),
    ) -> Volume {
        let disks = disks.into_iter().map(|serial| RootHint { serial: Some(serial), ..RootHint::default() });
        Volume { disks: disks.collect(), layout, filesystem, mount, keep }
    }
}

prop_compose! {
    fn machine_spec()(
        names in (text(), text(), text()),
        claim in prop_oneof![Just(Err(())), (require(), option::of(spread())).prop_map(Ok)],
        root in (option::of(text()), option::of(1..u64::MAX), option::of(text()), option::of(text()), option::of(text())),
        network in option::of(machine_network()),
        ssh_keys in collection::vec("ssh-ed25519 [A-Za-z0-9]{1,40}", 0..4),
        user_data_digest in option::of("[0-9a-f]{64}"),
        allow_disruption in select(vec![
            Disruption::None, Disruption::Reboot, Disruption::EraseRoot, Disruption::EraseAll, Disruption::Move,
        ]),
        redeploy in (collection::btree_set(
            select(vec![Aspect::Image, Aspect::Config, Aspect::Network, Aspect::Root, Aspect::Volumes]), 0..4,
        ), 1..i64::MAX),
        wait_for in select(vec![WaitFor::Booted, WaitFor::Written]),
        injected in (collection::vec(text(), 0..3), values(), option::of(secret_values())),
        volumes in collection::btree_map("[a-z]{1,8}", volume(), 0..3),
        steps in steps(),
    ) -> core::machine::Spec {
        let (profiles, values, secret_values) = injected;
        let (hostname, image, host) = names;
        let (kind, min_size, serial, wwn, by_path) = root;
        core::machine::Spec {
            hostname, image,
            host: claim.as_ref().err().map(|()| host),
            require: claim.as_ref().ok().map(|(require, _)| require.clone()),
            spread: claim.ok().and_then(|(_, spread)| spread),
            root: RootHint { kind, min_size: min_size.map(Bytes), serial, wwn, by_path },
            volumes, network, ssh_keys, user_data_digest, profiles, values, secret_values, allow_disruption,
            redeploy: Redeploy { on: redeploy.0, generation: redeploy.1 },
            wait_for, steps,
        }
    }
}

prop_compose! {
    fn more_inventory()(
        numa in collection::vec((any::<u32>(), text(), any::<u64>()), 0..3),
        pci in collection::vec((text(), option::of(text())), 0..3),
        dimms in collection::vec((text(), any::<u64>(), option::of(1..u32::MAX), option::of(text())), 0..3),
    ) -> Inventory {
        Inventory {
            numa: numa.into_iter().map(|(node, cpus, memory)| NumaNode { node, cpus, memory: Bytes(memory) }).collect(),
            pci: pci.into_iter().map(|(address, driver)| PciDevice {
                address, driver, class: "0200".into(), device: "8086:1521".into(),
            }).collect(),
            dimms: dimms.into_iter().map(|(slot, size, speed, serial)| Dimm {
                slot, size: Bytes(size), speed, serial, ..Dimm::default()
            }).collect(),
            ..Inventory::default()
        }
    }
}

prop_compose! {
    fn inventory()(
        texts in collection::vec(option::of("[a-z0-9-]{1,20}"), 6),
        cpus in any::<u32>(), memory in any::<u64>(), tpm in any::<bool>(),
        disks in collection::vec((text(), option::of(text()), option::of(text()), any::<u64>()), 0..4),
        gpus in collection::vec((text(), text()), 0..3),
        nics in collection::vec((text(), some_mac(), option::of(1..u32::MAX), collection::vec(address(), 0..3)), 0..4),
        more in more_inventory(),
    ) -> Inventory {
        let mut texts = texts.into_iter();
        let mut next = || texts.next().flatten();
        Inventory {
            serial: next(), uuid: next(), vendor: next(), product: next(),
            arch: "x86_64".into(), firmware: "uefi".into(),
            firmware_version: next(), cpu_model: next(), cpus, memory: Bytes(memory), tpm,
            disks: disks.into_iter().map(|(name, serial, excluded, size)| Disk {
                name, serial, excluded, size: Bytes(size), sector: 512, kind: "ssd".into(), ..Disk::default()
            }).collect(),
            nics: nics.into_iter().map(|(name, mac, speed, addresses)| Nic {
                name, mac, link: true, speed, addresses, driver: None, boot: false,
                neighbour: speed.map(|_| Neighbour { chassis: "sw1".into(), port: "7".into(), ..Neighbour::default() }),
            }).collect(),
            gpus: gpus.into_iter().map(|(address, device)| Gpu { address, device }).collect(),
            ..more
        }
    }
}

proptest! {
    #[test]
    fn a_host_survives_the_wire(spec in host_spec()) {
        prop_assert_eq!(host::spec(host::spec_message(&spec)), Ok(spec));
    }

    #[test]
    fn a_pool_survives_the_wire(spec in pool_spec()) {
        prop_assert_eq!(pool::spec(pool::spec_message(&spec)), Ok(spec));
    }

    #[test]
    fn a_step_survives_the_wire(spec in step_spec()) {
        prop_assert_eq!(step::spec(step::spec_message(&spec)), Ok(spec));
    }

    #[test]
    fn a_profile_survives_the_wire(spec in profile_spec()) {
        prop_assert_eq!(profile::spec(profile::spec_message(&spec)), Ok(spec));
    }

    #[test]
    fn a_network_survives_the_wire(spec in network_spec()) {
        prop_assert_eq!(network::spec(network::spec_message(&spec)), Ok(spec));
    }

    #[test]
    fn a_machine_survives_the_wire(spec in machine_spec()) {
        prop_assert_eq!(machine::spec(machine::spec_message(&spec), &key()), Ok(spec));
    }

    #[test]
    fn a_credential_survives_the_wire(username in text(), secret_version in any::<i64>()) {
        let spec = core::credential::Spec { username, secret_version };
        prop_assert_eq!(credential::spec(credential::spec_message(&spec)), Ok(spec));
    }

    #[test]
    fn an_image_survives_the_wire(
        url in text(), digest in any::<[u8; 32]>(), arch in text(),
        seed in select(core::image::SeedFormat::ALL.to_vec()).prop_map(|(_, seed)| seed),
    ) {
        let spec = core::image::Spec { url, sha256: core::image::Sha256::from_bytes(digest), arch, seed };
        prop_assert_eq!(image::spec(image::spec_message(&spec)), Ok(spec));
    }

    #[test]
    fn an_inventory_survives_the_wire(found in inventory()) {
        prop_assert_eq!(inventory::inventory(inventory::message(&found)), Ok(found));
    }
}

fn paths<T: std::fmt::Debug>(read: Result<T, Vec<FieldError>>) -> BTreeSet<String> {
    read.expect_err("is wrong").into_iter().map(|fault| fault.attribute).collect()
}

fn set<const N: usize>(paths: [&str; N]) -> BTreeSet<String> {
    paths.into_iter().map(str::to_owned).collect()
}

#[test]
fn an_empty_machine_has_the_documented_defaults() {
    let message = pb::MachineSpec { host: "lab-1".into(), ..Default::default() };
    let spec = machine::spec(message, &key()).unwrap();
    assert_eq!(spec.hostname, "web-0");
    assert_eq!(spec.allow_disruption, Disruption::Reboot);
    assert_eq!(spec.redeploy, Redeploy::default());
    assert_eq!(spec.wait_for, WaitFor::Booted);
    assert_eq!(spec.network, None);
}

#[test]
fn an_empty_host_has_the_documented_defaults() {
    let driver = pb::host_spec::Driver::Qemu(pb::QemuDriver::default());
    let spec = host::spec(pb::HostSpec { driver: Some(driver), ..Default::default() }).unwrap();
    assert_eq!(spec.pool, "default");
    assert_eq!(spec.boot, Boot::default());
    assert_eq!(spec.on_destroy, OnDestroy::PowerOff);
}

#[test]
fn faults_of_a_host_stand_at_their_attributes() {
    let redfish = pb::RedfishDriver { tls: "maybe".into(), address: "x".repeat(600), ..Default::default() };
    let message = pb::HostSpec {
        pool: "A pool".into(),
        identity: Some(pb::HostIdentity { boot_mac: "no".into(), uuid: "no".into(), ..Default::default() }),
        boot: Some(pb::HostBoot {
            mode: "floppy".into(),
            methods: vec!["pxe".into(), "tape".into()],
            ..Default::default()
        }),
        driver: Some(pb::host_spec::Driver::Redfish(redfish)),
        on_destroy: "explode".into(),
        ..Default::default()
    };
    let expected = set([
        "pool",
        "identity.boot_mac",
        "identity.uuid",
        "boot.mode",
        "boot.methods.1",
        "redfish.tls",
        "redfish.address",
        "redfish.credential",
        "on_destroy",
    ]);
    assert_eq!(paths(host::spec(message)), expected);
    assert_eq!(paths(host::spec(pb::HostSpec::default())), set(["redfish"]));
}

#[test]
fn faults_of_a_qemu_host_stand_at_their_attributes() {
    let qemu =
        pb::QemuDriver { forward: vec![22, 70_000], tap: "tap0,script=/x".into(), ..Default::default() };
    let driver = Some(pb::host_spec::Driver::Qemu(qemu));
    let message = pb::HostSpec { driver, ..Default::default() };
    assert_eq!(paths(host::spec(message)), set(["qemu.forward.1", "qemu.tap"]));
}

#[test]
fn faults_of_a_network_stand_at_their_attributes() {
    let message = pb::NetworkSpec {
        cidr: "10.0.0.0/33".into(),
        gateway: "ten".into(),
        dns: vec!["10.0.0.1".into(), "::1".into()],
        dhcp: Some(pb::Dhcp { mode: "server".into(), range_first: "10.0.0.9".into(), ..Default::default() }),
        unknown: "guess".into(),
        reservations: [("52:54:00:00:00:01".to_owned(), "x".to_owned())].into(),
        ..Default::default()
    };
    let expected =
        set(["cidr", "gateway", "dns.1", "dhcp.range", "unknown", "reservations.52:54:00:00:00:01"]);
    assert_eq!(paths(network::spec(message)), expected);
    let silent = pb::NetworkSpec { cidr: "10.0.0.0/24".into(), ..Default::default() };
    assert_eq!(paths(network::spec(silent)), set(["dhcp.mode"]));
}

#[test]
fn one_mac_in_two_spellings_is_refused() {
    let message = pb::NetworkSpec {
        cidr: "10.0.0.0/24".into(),
        dhcp: Some(pb::Dhcp { mode: "off".into(), ..Default::default() }),
        reservations: [
            ("52:54:00:00:00:01".to_owned(), "10.0.0.1".to_owned()),
            ("52-54-00-00-00-01".to_owned(), "10.0.0.2".to_owned()),
        ]
        .into(),
        ..Default::default()
    };
    assert_eq!(paths(network::spec(message)), set(["reservations.52:54:00:00:00:01"]));
}

#[test]
fn faults_of_a_machine_stand_at_their_attributes() {
    let vlan = pb::Vlan { link: "bond0".into(), id: 70_000, mtu: 9 };
    let address = pb::LinkAddress { cidrs: vec!["10.0.0.1/99".into()], gateway: "x".into(), dhcp: None };
    let message = pb::MachineSpec {
        network: Some(pb::MachineNetwork {
            vlans: [("v220".to_owned(), vlan)].into(),
            addresses: [("v220".to_owned(), address)].into(),
            dns_servers: vec!["nowhere".into()],
            ..Default::default()
        }),
        allow_disruption: "everything".into(),
        redeploy: Some(pb::Redeploy { on: vec!["image".into(), "moon".into()], generation: 1 }),
        wait_for: "christmas".into(),
        user_data_digest: "abc".into(),
        ..Default::default()
    };
    let expected = set([
        "host",
        "network.vlans.v220.id",
        "network.vlans.v220.mtu",
        "network.addresses.v220.cidrs.0",
        "network.addresses.v220.gateway",
        "network.dns.servers.0",
        "allow_disruption",
        "redeploy.on.1",
        "wait_for",
        "user_data",
    ]);
    assert_eq!(paths(machine::spec(message, &key())), expected);
}

#[test]
fn faults_of_an_image_stand_at_their_attributes() {
    let message = pb::ImageSpec { url: "x".repeat(5000), sha256: "12".into(), ..Default::default() };
    assert_eq!(paths(image::spec(message)), set(["source.url", "source.sha256"]));
}

#[test]
fn hostile_sizes_are_refused_before_they_are_kept() {
    let many = |count: usize| (0..count).map(|at| (format!("l{at}"), "x".to_owned())).collect();
    let driver = Some(pb::host_spec::Driver::Qemu(pb::QemuDriver::default()));
    let labels = pb::HostSpec { labels: many(100_000), driver: driver.clone(), ..Default::default() };
    assert_eq!(paths(host::spec(labels)), set(["labels"]));
    let long = [("x".repeat(1 << 20), String::new())].into();
    assert_eq!(
        paths(host::spec(pb::HostSpec { labels: long, driver, ..Default::default() })),
        set(["labels"])
    );
    let keys = pb::MachineSpec {
        host: "h".into(),
        ssh_keys: vec!["x".repeat(20 << 10), "a\nb".into()],
        ..Default::default()
    };
    assert_eq!(paths(machine::spec(keys, &key())), set(["ssh_keys.0", "ssh_keys.1"]));
    let disks = pb::Inventory { disks: vec![pb::Disk::default(); 10_000], ..Default::default() };
    assert_eq!(paths(inventory::inventory(disks)), set(["inventory.disks"]));
}

#[test]
fn no_more_faults_are_told_than_anybody_reads() {
    let forward = vec![70_000; 256];
    let driver = pb::host_spec::Driver::Qemu(pb::QemuDriver { forward, ..Default::default() });
    let faults = host::spec(pb::HostSpec { driver: Some(driver), ..Default::default() }).expect_err("wrong");
    assert_eq!(faults.len(), 100);
}

#[test]
fn a_report_without_a_stage_or_with_a_book_in_it_is_refused() {
    assert_eq!(paths(agent::report(pb::Report::default())), set(["report.stage"]));
    let failure = pb::Failure { why: "x".repeat(1 << 20), ..Default::default() };
    let failed = pb::report::Failed { failure: Some(failure), ..Default::default() };
    let message = pb::Report { epoch: 1, stage: Some(pb::report::Stage::Failed(failed)) };
    assert_eq!(paths(agent::report(message)), set(["report.failure.why"]));
}
