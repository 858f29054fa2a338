//! What the agent found on a host, as typed attributes.

use tfplugin::{Attr, Schema};
use underlay_proto::v1 as pb;

use crate::written::{seen_number, seen_text};

/// What the agent found on the host.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Hardware {
    /// SMBIOS system serial number.
    #[tf(computed)]
    pub serial: Attr<String>,
    /// SMBIOS system UUID.
    #[tf(computed)]
    pub uuid: Attr<String>,
    /// Vendor.
    #[tf(computed)]
    pub vendor: Attr<String>,
    /// Product.
    #[tf(computed)]
    pub product: Attr<String>,
    /// `x86_64` or `aarch64`.
    #[tf(computed)]
    pub arch: Attr<String>,
    /// `bios` or `uefi`, as booted.
    #[tf(computed)]
    pub firmware: Attr<String>,
    /// Version of the firmware.
    #[tf(computed)]
    pub firmware_version: Attr<String>,
    /// Model of the CPU.
    #[tf(computed)]
    pub cpu_model: Attr<String>,
    /// Logical CPUs.
    #[tf(computed)]
    pub cpus: Attr<u32>,
    /// Memory in bytes.
    #[tf(computed)]
    pub memory_bytes: Attr<u64>,
    /// Whether there is a TPM.
    #[tf(computed)]
    pub tpm: Attr<bool>,
    /// `1.2` or `2.0`; null where not known.
    #[tf(computed)]
    pub tpm_version: Attr<String>,
    /// What the TPM is known by: the SHA-256 of its endorsement key's certificate, or of its public area where it has none.
    #[tf(computed)]
    pub tpm_endorsement: Attr<String>,
    /// Disks.
    #[tf(computed)]
    pub disks: Attr<Vec<Disk>>,
    /// Network interfaces.
    #[tf(computed)]
    pub nics: Attr<Vec<Nic>>,
}

/// A disk.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Disk {
    /// Kernel name in the agent; not stable over boots.
    #[tf(computed)]
    pub name: Attr<String>,
    /// Name under `/dev/disk/by-path`.
    #[tf(computed)]
    pub by_path: Attr<String>,
    /// Serial number.
    #[tf(computed)]
    pub serial: Attr<String>,
    /// World wide name.
    #[tf(computed)]
    pub wwn: Attr<String>,
    /// Model.
    #[tf(computed)]
    pub model: Attr<String>,
    /// `nvme`, `ssd`, `hdd` or `virtio`.
    #[tf(computed)]
    pub kind: Attr<String>,
    /// Size in bytes.
    #[tf(computed)]
    pub size_bytes: Attr<u64>,
    /// Why it is never written, where it is not.
    #[tf(computed)]
    pub excluded: Attr<String>,
}

/// A network interface.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Nic {
    /// Kernel name in the agent.
    #[tf(computed)]
    pub name: Attr<String>,
    /// MAC address.
    #[tf(computed)]
    pub mac: Attr<String>,
    /// Speed in Mbit/s, where known.
    #[tf(computed)]
    pub speed_mbps: Attr<u32>,
    /// Driver.
    #[tf(computed)]
    pub driver: Attr<String>,
    /// Whether the agent booted over it.
    #[tf(computed)]
    pub boot: Attr<bool>,
}

/// The inventory as an attribute; null before the agent was there.
pub(crate) fn hardware(inventory: Option<&pb::Inventory>) -> Attr<Hardware> {
    inventory.map(found).into()
}

fn found(inventory: &pb::Inventory) -> Hardware {
    Hardware {
        serial: seen_text(&inventory.serial),
        uuid: seen_text(&inventory.uuid),
        vendor: seen_text(&inventory.vendor),
        product: seen_text(&inventory.product),
        arch: seen_text(&inventory.arch),
        firmware: seen_text(&inventory.firmware),
        firmware_version: seen_text(&inventory.firmware_version),
        cpu_model: seen_text(&inventory.cpu_model),
        cpus: inventory.cpus.into(),
        memory_bytes: inventory.memory_bytes.into(),
        tpm: inventory.tpm.into(),
        tpm_version: seen_text(&inventory.tpm_version),
        tpm_endorsement: seen_text(inventory.endorsement.as_ref().map_or("", |key| &key.sha256)),
        disks: inventory.disks.iter().map(disk).collect::<Vec<_>>().into(),
        nics: inventory.nics.iter().map(nic).collect::<Vec<_>>().into(),
    }
}

fn disk(disk: &pb::Disk) -> Disk {
    Disk {
        name: seen_text(&disk.name),
        by_path: seen_text(&disk.by_path),
        serial: seen_text(&disk.serial),
        wwn: seen_text(&disk.wwn),
        model: seen_text(&disk.model),
        kind: seen_text(&disk.kind),
        size_bytes: disk.size_bytes.into(),
        excluded: seen_text(&disk.excluded),
    }
}

/// Addresses and link state are left out: they change by themselves, and a state is no place for that.
fn nic(nic: &pb::Nic) -> Nic {
    Nic {
        name: seen_text(&nic.name),
        mac: seen_text(&nic.mac),
        speed_mbps: seen_number(&Attr::Null, nic.speed_mbps),
        driver: seen_text(&nic.driver),
        boot: nic.boot.into(),
    }
}
