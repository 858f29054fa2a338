//! What became of a machine between two looks at it, in words: memory that went, a disk that was swapped, a NIC that came.
//!
//! What comes and goes by itself is no change: links, addresses, temperatures, names of the kernel. Of a disk's health only
//! that it turned bad is one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Disk, Inventory, Verdict};

/// The most changes that are remembered of one machine; the oldest make room.
pub const REMEMBERED: usize = 16;
/// The most that is said of one look.
const SAID: usize = 8;

/// What changed, and when it was noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// What, in words.
    pub what: String,
}

/// Remembers what is new since `before`, beside what is remembered.
pub fn remember(changes: &mut Vec<Change>, before: &Inventory, after: &Inventory, at: Timestamp) {
    changes.extend(between(before, after).into_iter().map(|what| Change { at, what }));
    let surplus = changes.len().saturating_sub(REMEMBERED);
    changes.drain(..surplus);
}

/// What is new, a line for each thing; nothing where the machine is as it was.
pub fn between(before: &Inventory, after: &Inventory) -> Vec<String> {
    let mut said = Vec::new();
    for (what, old, new) in [
        ("serial number", &before.serial, &after.serial),
        ("UUID", &before.uuid, &after.uuid),
        ("vendor", &before.vendor, &after.vendor),
        ("product", &before.product, &after.product),
        ("firmware version", &before.firmware_version, &after.firmware_version),
        ("CPU", &before.cpu_model, &after.cpu_model),
    ] {
        if old != new {
            said.push(became(what, old.as_deref(), new.as_deref()));
        }
    }
    if before.cpus != after.cpus {
        said.push(format!("logical CPUs: {} became {}", before.cpus, after.cpus));
    }
    // Another kernel keeps a little more or less for itself.
    if before.memory.0.abs_diff(after.memory.0) > before.memory.0 / 32 {
        said.push(format!("memory: {} became {}", before.memory, after.memory));
    }
    if before.tpm != after.tpm {
        said.push(if after.tpm { "a TPM appeared".into() } else { "the TPM is gone".into() });
    }
    said.extend(exchanged(before, after));
    let disks = |of: &Inventory| of.disks.iter().map(|disk| (disk_key(disk), disk_words(disk))).collect();
    parts("disk", disks(before), disks(after), &mut said);
    let nics = |of: &Inventory| {
        of.nics.iter().map(|nic| (nic.mac.to_string(), format!("{} ({})", nic.mac, nic.name))).collect()
    };
    parts("NIC", nics(before), nics(after), &mut said);
    let gpus = |of: &Inventory| {
        let words = |gpu: &super::Gpu| format!("{} at {}", gpu.device, gpu.address);
        of.gpus.iter().map(|gpu| (words(gpu), words(gpu))).collect()
    };
    parts("GPU", gpus(before), gpus(after), &mut said);
    let dimms = |of: &Inventory| {
        let key = |dimm: &super::Dimm| format!("{}/{:?}/{}", dimm.slot, dimm.serial, dimm.size);
        of.dimms.iter().map(|dimm| (key(dimm), format!("{} in {}", dimm.size, dimm.slot))).collect()
    };
    // An agent that does not read them yet says nothing of them.
    if !before.dimms.is_empty() && !after.dimms.is_empty() {
        parts("memory module", dimms(before), dimms(after), &mut said);
    }
    said.extend(sickened(before, after));
    for (old, new) in moved(before, after) {
        said.push(format!("the cable of NIC {old} went to {new}"));
    }
    if said.len() > SAID {
        let more = said.len() - SAID;
        said.truncate(SAID);
        said.push(format!("and {more} more"));
    }
    said
}

/// A disk is known by its own serial number; the kernel's name of it is not stable.
fn disk_key(disk: &Disk) -> String {
    disk.serial.as_ref().or(disk.wwn.as_ref()).or(disk.by_path.as_ref()).unwrap_or(&disk.name).clone()
}

fn disk_words(disk: &Disk) -> String {
    let serial = disk.serial.as_ref().map(|serial| format!(", serial {serial}")).unwrap_or_default();
    format!("{} ({} {}{serial})", disk.name, disk.kind, disk.size)
}

/// The TPM, where both say the same thing of it and it is not the same.
fn exchanged(before: &Inventory, after: &Inventory) -> Option<String> {
    let (old, new) = (before.endorsement?, after.endorsement?);
    let is_other = old.source == new.source && old.sha256 != new.sha256;
    is_other.then(|| {
        let what = new.source.as_str();
        format!("the TPM was replaced: the SHA-256 of its {what} was {} and is {}", old.sha256, new.sha256)
    })
}

/// Disks that said that they are well, and now say that they fail.
fn sickened<'a>(before: &'a Inventory, after: &'a Inventory) -> impl Iterator<Item = String> + 'a {
    let fails =
        |disk: &Disk| disk.health.as_ref().and_then(|health| health.verdict) == Some(Verdict::Failing);
    let was_well = move |disk: &Disk| {
        before
            .disks
            .iter()
            .any(|old| disk_key(old) == disk_key(disk) && old.serial == disk.serial && !fails(old))
    };
    let now = after.disks.iter().filter(move |disk| fails(disk) && was_well(disk));
    now.map(|disk| format!("disk {} says that it fails", disk_words(disk)))
}

/// NICs that are at another port of a switch than before.
fn moved<'a>(before: &'a Inventory, after: &'a Inventory) -> impl Iterator<Item = (String, String)> + 'a {
    after.nics.iter().filter_map(|nic| {
        let now = nic.neighbour.as_ref()?;
        let old = before.nics.iter().find(|old| old.mac == nic.mac)?.neighbour.as_ref()?;
        let place =
            |of: &super::Neighbour| format!("{} port {}", of.system.as_ref().unwrap_or(&of.chassis), of.port);
        (old != now && place(old) != place(now)).then(|| (nic.mac.to_string(), place(now)))
    })
}

fn parts(
    what: &str,
    before: BTreeMap<String, String>,
    after: BTreeMap<String, String>,
    said: &mut Vec<String>,
) {
    let gone: Vec<_> = before.iter().filter(|(key, _)| !after.contains_key(*key)).collect();
    let came: Vec<_> = after.iter().filter(|(key, _)| !before.contains_key(*key)).collect();
    if let ([(_, old)], [(_, new)]) = (gone.as_slice(), came.as_slice()) {
        said.push(format!("{what} {old} was replaced by {new}"));
        return;
    }
    said.extend(gone.iter().map(|(_, words)| format!("{what} {words} is gone")));
    said.extend(came.iter().map(|(_, words)| format!("{what} {words} appeared")));
}

fn became(what: &str, old: Option<&str>, new: Option<&str>) -> String {
    let word = |text: Option<&str>| text.map_or_else(|| "none".to_owned(), |text| format!("\"{text}\""));
    format!("{what}: {} became {}", word(old), word(new))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::{
        Bytes, Mac,
        agent::{Endorsement, Health, Neighbour, Nic, endorsement::Source},
        image::Sha256,
    };

    fn disk(name: &str, serial: &str) -> Disk {
        let (kind, size) = ("nvme".into(), Bytes(1 << 40));
        Disk { name: name.into(), serial: Some(serial.into()), kind, size, ..Disk::default() }
    }

    fn nic(last: u8) -> Nic {
        let (mac, name) = (Mac([2, 0, 0, 0, 0, last]), format!("eth{last}"));
        let (addresses, driver, neighbour) = (vec![], None, None);
        Nic { name, mac, link: true, speed: Some(1000), addresses, driver, boot: false, neighbour }
    }

    fn machine() -> Inventory {
        let disks = vec![disk("nvme0n1", "A"), disk("nvme1n1", "B")];
        Inventory { memory: Bytes(64 << 30), disks, nics: vec![nic(1), nic(2)], ..Inventory::default() }
    }

    #[test]
    fn what_comes_and_goes_by_itself_is_no_change() {
        let mut after = machine();
        after.disks.swap(0, 1);
        (after.disks[0].name, after.disks[1].name) = ("nvme0n1".into(), "nvme1n1".into());
        after.nics[0].link = false;
        after.nics[1].addresses = vec![IpAddr::from([10, 0, 0, 1])];
        assert_eq!(between(&machine(), &after), Vec::<String>::new());
    }

    #[test]
    fn swapped_disks_lost_memory_and_moved_cables_are_named() {
        let mut before = machine();
        let at =
            |port: &str| Some(Neighbour { chassis: "sw1".into(), port: port.into(), ..Neighbour::default() });
        before.nics[0].neighbour = at("1");
        let mut after = before.clone();
        after.disks[1] = disk("nvme1n1", "C");
        after.memory = Bytes(32 << 30);
        after.nics[0].neighbour = at("7");
        after.nics.remove(1);
        let said = between(&before, &after);
        let expected = [
            "memory: 64GiB became 32GiB",
            "disk nvme1n1 (nvme 1TiB, serial B) was replaced by nvme1n1 (nvme 1TiB, serial C)",
            "NIC 02:00:00:00:00:02 (eth2) is gone",
            "the cable of NIC 02:00:00:00:00:01 went to sw1 port 7",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn a_tpm_that_was_exchanged_is_named_and_one_that_said_nothing_or_something_else_is_not() {
        let with = |endorsement| Inventory { tpm: true, endorsement, ..machine() };
        let key = |source, byte| Some(Endorsement { source, sha256: Sha256::from_bytes([byte; 32]) });
        let (old, new) = (with(key(Source::EccKey, 1)), with(key(Source::EccKey, 2)));
        let said = between(&old, &new);
        let digests = (Sha256::from_bytes([1; 32]), Sha256::from_bytes([2; 32]));
        let expected = format!(
            "the TPM was replaced: the SHA-256 of its ecc_key was {} and is {}",
            digests.0, digests.1
        );
        assert_eq!(said, [expected]);
        for other in [None, key(Source::EccKey, 1), key(Source::RsaCertificate, 2)] {
            assert_eq!(between(&old, &with(other)), Vec::<String>::new(), "{other:?}");
            assert_eq!(between(&with(other), &old), Vec::<String>::new(), "{other:?}");
        }
    }

    #[test]
    fn a_disk_that_begins_to_fail_is_named_once_and_its_counts_are_not() {
        let with = |verdict, media_errors| {
            let mut machine = machine();
            let health =
                Health { verdict: Some(verdict), media_errors: Some(media_errors), ..Health::default() };
            machine.disks[0].health = Some(health);
            machine
        };
        assert_eq!(between(&with(Verdict::Ok, 0), &with(Verdict::Worn, 9)), Vec::<String>::new());
        let said = between(&with(Verdict::Ok, 0), &with(Verdict::Failing, 9));
        assert_eq!(said, ["disk nvme0n1 (nvme 1TiB, serial A) says that it fails"]);
        assert_eq!(between(&with(Verdict::Failing, 9), &with(Verdict::Failing, 90)), Vec::<String>::new());
    }

    #[test]
    fn the_memory_of_changes_is_bounded() {
        let (mut changes, mut before) = (Vec::new(), machine());
        for round in 0..100_u32 {
            let after = Inventory { cpus: round + 1, ..before.clone() };
            remember(&mut changes, &before, &after, Timestamp::UNIX_EPOCH);
            before = after;
        }
        assert_eq!(changes.len(), REMEMBERED);
        assert_eq!(changes.last().map(|it| it.what.as_str()), Some("logical CPUs: 99 became 100"));
        let none = Inventory::default();
        let many = Inventory { nics: (0..200).map(nic).collect(), ..Inventory::default() };
        assert_eq!(between(&none, &many).len(), SAID + 1);
    }
}
