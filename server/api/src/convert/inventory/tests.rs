//! What the server takes from an agent that lies: good inventories with bytes lost, changed and mixed up, and noise. What is
//! accepted is bounded, and everything that is made of it is too.

use proptest::prelude::*;
use prost::Message as _;
use underlay_core::{
    Mac,
    agent::changes,
    identity::{
        Traits,
        score::{Known, judge},
    },
    pool::bind::{self, Match, Rule},
};

use super::*;
use crate::convert::faults::{ENTRIES, TEXT};

/// As a real agent sends it.
fn sample() -> pb::Inventory {
    let neighbour = pb::Neighbour {
        chassis: "00:1c:73:01:02:03".into(),
        port: "Ethernet1/7".into(),
        ..Default::default()
    };
    pb::Inventory {
        serial: "7F3KZ12".into(),
        uuid: "4c4c4544-0036-4a10-8052-b7c04f5a3132".into(),
        vendor: "Dell Inc.".into(),
        product: "PowerEdge R650".into(),
        arch: "x86_64".into(),
        firmware: "uefi".into(),
        cpus: 64,
        memory_bytes: 256 << 30,
        disks: vec![pb::Disk {
            name: "nvme0n1".into(),
            serial: "S1".into(),
            kind: "nvme".into(),
            size_bytes: 1 << 40,
            sector_bytes: 512,
            health: Some(pb::DiskHealth {
                celsius: Some(40),
                errors: Some(1),
                verdict: "failing".into(),
                reason: "it can be read only".into(),
                percent_used: Some(101),
                spare_percent: Some(3),
                media_errors: Some(12),
                reallocated: Some(1),
                power_on_hours: Some(43_000),
                ..Default::default()
            }),
            ..Default::default()
        }],
        nics: vec![pb::Nic {
            name: "eth0".into(),
            mac: "52:54:00:12:34:56".into(),
            addresses: vec!["10.0.0.1".into(), "fe80::1".into()],
            neighbour: Some(neighbour),
            ..Default::default()
        }],
        gpus: vec![pb::Gpu { address: "0000:3b:00.0".into(), device: "10de:20b5".into() }],
        numa: vec![pb::NumaNode { node: 0, cpus: "0-63".into(), memory_bytes: 256 << 30 }],
        pci: vec![pb::PciDevice {
            address: "0000:3b:00.0".into(),
            class: "0302".into(),
            ..Default::default()
        }],
        dimms: vec![pb::Dimm {
            slot: "A1".into(),
            size_bytes: 32 << 30,
            kind: "DDR4".into(),
            ..Default::default()
        }],
        tpm: true,
        tpm_version: "2.0".into(),
        endorsement: Some(pb::EndorsementKey { source: "ecc_key".into(), sha256: "5e".repeat(32) }),
        ..Default::default()
    }
}

/// Every text of an inventory, however deep.
fn texts(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => found.push(text.clone()),
        serde_json::Value::Array(items) => {
            assert!(items.len() <= ENTRIES, "{} entries", items.len());
            items.iter().for_each(|item| texts(item, found));
        }
        serde_json::Value::Object(fields) => fields.values().for_each(|field| texts(field, found)),
        _ => {}
    }
}

fn hold(message: pb::Inventory, before: &Inventory) {
    let Ok(found) = inventory(message) else { return };
    let mut all = Vec::new();
    texts(&serde_json::to_value(&found).unwrap(), &mut all);
    for text in all {
        assert!(text.len() <= TEXT && !text.chars().any(char::is_control), "{text:?}");
    }
    assert_eq!(inventory(super::message(&found)).as_ref(), Ok(&found), "it is spelled as it was read");
    // What is made of it.
    let boot_mac = Mac([2, 0, 0, 0, 0, 1]);
    let traits = Traits::of(&found, Some(boot_mac));
    let name = "r1".to_owned();
    let known = Known {
        host: underlay_core::ObjectId::new(),
        name,
        enrolled: Traits::of(before, None),
        seen: Traits::default(),
    };
    if let Some((_, why)) = judge([&known], &traits).doubt() {
        assert!(why.len() < 2000, "{why}");
    }
    assert!(changes::between(before, &found).len() <= 9);
    let seen = bind::Found { inventory: &found, boot_mac, network: None };
    assert!((1..=2).contains(&bind::names(seen).len()));
    let wants = Match { vendor: Some("*e*l*".into()), cpus: Some(1), ..Match::default() };
    let _ = bind::first(&[Rule { wants, ..Rule::default() }], seen);
    let pool = "lab".parse().unwrap();
    underlay_core::Spec::validate(&bind::host(&pool, &Rule::default(), seen)).expect("a bound host is valid");
}

proptest! {
    #[test]
    fn whatever_an_agent_says_is_refused_or_bounded(
        noise in proptest::collection::vec(any::<u8>(), 0..400),
        changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..10),
        cut in any::<usize>(), doubled in 0..4_usize,
    ) {
        let good = sample().encode_to_vec();
        let before = inventory(sample()).unwrap();
        let mut mangled = good.repeat(doubled.max(1));
        for (at, byte) in changes {
            let at = at % mangled.len();
            mangled[at] = byte;
        }
        let cut_at = cut % (mangled.len() + 1);
        for bytes in [noise.as_slice(), &mangled, &mangled[..cut_at], &[&mangled[..cut_at], &noise].concat()] {
            if let Ok(message) = pb::Inventory::decode(bytes) {
                hold(message, &before);
            }
        }
    }

    #[test]
    fn texts_of_any_length_and_kind_are_refused_or_bounded(
        serial in "\\PC{0,300}", uuid in ".{0,80}", product in ".{0,300}", many in 0..400_usize,
    ) {
        let nics = vec![sample().nics.remove(0); many];
        let message = pb::Inventory { serial, uuid, product, nics, ..sample() };
        hold(message, &inventory(sample()).unwrap());
    }
}
