//! What the server and the agent in a host's RAM say to each other, as it is stored: inventory, assignment, report, token.
//!
//! [`changes`] tells two inventories of one machine apart; [`health`] is what disks say of themselves, [`endorsement`] what a
//! TPM is known by.
//!
//! An epoch counts the boots of the agent that an object asked for; whatever carries an older one is refused.

pub mod attributes;
pub mod changes;
pub mod endorsement;
pub mod health;

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::{
    endorsement::Endorsement,
    health::{Health, Verdict},
};
use crate::{
    Bytes, Mac, ObjectId,
    cleaning::{Clean, Wipe},
    machine::RootHint,
    seed::Seed,
};

/// What the agent found on the host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    /// SMBIOS system serial number (type 1).
    pub serial: Option<String>,
    /// SMBIOS system UUID (type 1), lower case.
    pub uuid: Option<String>,
    /// SMBIOS manufacturer.
    pub vendor: Option<String>,
    /// SMBIOS product name.
    pub product: Option<String>,
    /// `x86_64`, `aarch64`.
    pub arch: String,
    /// `bios` or `uefi`, as booted.
    pub firmware: String,
    /// Version string of the firmware.
    pub firmware_version: Option<String>,
    /// Model name of the first CPU.
    pub cpu_model: Option<String>,
    /// Logical CPUs.
    pub cpus: u32,
    /// Usable memory.
    pub memory: Bytes,
    /// Is a TPM present?
    pub tpm: bool,
    /// Block devices that could hold a system.
    pub disks: Vec<Disk>,
    /// Network interfaces, loopback left out.
    pub nics: Vec<Nic>,
    /// GPUs and other accelerators.
    #[serde(default)]
    pub gpus: Vec<Gpu>,
    /// Memory and CPUs that are near to each other; one node where the machine has no others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numa: Vec<NumaNode>,
    /// Functions on the PCI bus, virtual ones left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pci: Vec<PciDevice>,
    /// Memory modules, empty slots left out (SMBIOS type 17).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dimms: Vec<Dimm>,
    /// Version of the TPM, `2.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpm_version: Option<String>,
    /// What the TPM is known by, where it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endorsement: Option<Endorsement>,
}

/// Memory and CPUs that are near to each other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NumaNode {
    /// The kernel's number of it.
    pub node: u32,
    /// Its logical CPUs as the kernel writes them, `0-15,32-47`.
    pub cpus: String,
    /// Its memory.
    pub memory: Bytes,
}

/// A function on the PCI bus.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PciDevice {
    /// PCI address, `0000:3b:00.0`.
    pub address: String,
    /// Class and subclass, `0200` for an Ethernet controller.
    pub class: String,
    /// PCI vendor and device, `8086:1521`.
    pub device: String,
    /// The driver that the agent's kernel has for it.
    pub driver: Option<String>,
}

/// A memory module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dimm {
    /// The slot as the board calls it, `DIMM_A1`.
    pub slot: String,
    /// Its size.
    pub size: Bytes,
    /// `DDR4`, `DDR5`.
    pub kind: Option<String>,
    /// How fast it runs, in MT/s.
    pub speed: Option<u32>,
    /// Who made it.
    pub vendor: Option<String>,
    /// Part number.
    pub part: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
}

/// Who is at the other end of a cable, as it says by LLDP (IEEE 802.1AB).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// The switch's own id, most often a MAC.
    pub chassis: String,
    /// The port's id at the switch, `Ethernet1/7`.
    pub port: String,
    /// The switch's name.
    pub system: Option<String>,
    /// What somebody wrote of the port.
    pub description: Option<String>,
}

/// A GPU or other accelerator on the PCI bus.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gpu {
    /// PCI address, `0000:3b:00.0`.
    pub address: String,
    /// PCI vendor and device, `10de:20b5`.
    pub device: String,
}

/// One disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Disk {
    /// Kernel name (`vda`, `nvme0n1`); not stable over boots.
    pub name: String,
    /// Stable path under `/dev/disk/by-path`, where the kernel gives one.
    pub by_path: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// World wide name.
    pub wwn: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// `nvme`, `ssd`, `hdd` or `virtio`.
    pub kind: String,
    /// Capacity.
    pub size: Bytes,
    /// Logical sector size in bytes.
    pub sector: u32,
    /// Why this disk must never be written, where it must not: `removable`, `read_only`, `iscsi`, `fibre_channel`,
    /// `multipath`.
    pub excluded: Option<String>,
    /// How it is, where that can be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

/// One network interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Nic {
    /// Kernel name in the agent.
    pub name: String,
    /// Permanent hardware address.
    pub mac: Mac,
    /// Has it link?
    pub link: bool,
    /// Speed in Mbit/s where known.
    pub speed: Option<u32>,
    /// Addresses the agent got on it.
    pub addresses: Vec<IpAddr>,
    /// Driver name.
    pub driver: Option<String>,
    /// Did the agent boot over it?
    pub boot: bool,
    /// Who is at the other end of its cable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbour: Option<Neighbour>,
}

/// What the agent on a host is to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The host.
    pub host: ObjectId,
    /// The object on whose behalf.
    pub on_behalf_of: ObjectId,
    /// The fence: an agent of another epoch is refused.
    pub epoch: i64,
    /// The work.
    pub task: Task,
}

/// A piece of work for the agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Task {
    /// Nothing yet: stay and wait for the next assignment.
    Stay,
    /// Write an image and its seed, report, and wait for the order to leave.
    Deploy(Box<Deploy>),
    /// Wipe every disk that may be written, report, and wait to be switched off.
    Clean(Box<Clean>),
    /// Leave now.
    Leave(Leave),
    /// Of the agent that lives on an installed system: write these.
    Attributes(attributes::Attributes),
}

/// How the agent leaves the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leave {
    /// Restart through the firmware.
    Reboot,
    /// Power off; the server powers it on again.
    PowerOff,
    /// Start the installed kernel directly.
    Kexec,
}

/// An image to write, with everything that must be checked before the first byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deploy {
    /// The host must be this one, or nothing is written.
    pub identity: ExpectedIdentity,
    /// Which disk; it must be unambiguous.
    pub root: RootHint,
    /// Path of the image's manifest on the boot endpoint.
    pub manifest_path: String,
    /// Path of the image's data on the boot endpoint; read with Range.
    pub data_path: String,
    /// BLAKE3 of the manifest in its canonical encoding, hex.
    pub manifest_digest: String,
    /// Size of the disk the image was made for.
    pub virtual_size: Bytes,
    /// A file system image (label CIDATA) that the agent puts into a partition of its own at the end of the disk.
    pub seed: Seed,
}

/// What the enrolment says about the host; each one given must match.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExpectedIdentity {
    /// SMBIOS serial.
    pub serial: Option<String>,
    /// SMBIOS UUID, lower case.
    pub uuid: Option<String>,
    /// MAC of a NIC that must be present.
    pub mac: Option<Mac>,
}

/// How far the agent is, or how it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The epoch of the assignment.
    pub epoch: i64,
    /// What it is doing or did.
    pub stage: Stage,
}

/// A stage of the agent's work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    /// Checking identity and choosing the disk; nothing is written yet.
    Checking,
    /// Writing the image to `disk`.
    Writing {
        /// Kernel name of the disk.
        disk: String,
        /// Bytes of the image dealt with (holes included).
        done: u64,
        /// Bytes of the image in all.
        total: u64,
    },
    /// The image is on the disk and verified; the seed is being written.
    Finishing,
    /// All is written and synced; the agent waits for the order to leave.
    Written {
        /// Kernel name of the disk.
        disk: String,
        /// Bytes that were written to it.
        written: u64,
        /// How long the writing took, in milliseconds.
        elapsed_ms: u64,
        /// Peak resident memory of the agent, in bytes.
        peak_memory: u64,
    },
    /// Disks are being wiped.
    Wiping {
        /// Bytes dealt with, over all disks.
        done: u64,
        /// Bytes in all.
        total: u64,
        /// For how long; moves where a disk does it by itself and says nothing meanwhile.
        seconds: u64,
    },
    /// All disks have been dealt with, each well or badly; the agent waits to be switched off.
    Wiped {
        /// A line for each.
        disks: Vec<Wipe>,
    },
    /// It did not work.
    Failed {
        /// What a person reads.
        failure: crate::Failure,
        /// Was anything written to a disk?
        touched_disk: Touched,
    },
}

/// Was a disk written to?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Touched {
    /// No byte.
    No,
    /// At least one.
    Yes,
}

/// A one-time token that lets one agent boot call home.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenGrant {
    /// BLAKE3 of the token, hex; the token itself is only in the boot script.
    pub digest: String,
    /// The host it was minted for.
    pub host: ObjectId,
    /// The object whose operation expects the boot.
    pub on_behalf_of: ObjectId,
    /// The epoch of that boot.
    pub epoch: i64,
    /// What the token is good for.
    pub purpose: Purpose,
    /// Void after this.
    pub expires_at: Timestamp,
}

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// An agent calling home.
    Agent,
    /// The installed system calling its one-time URL.
    PhoneHome,
}
