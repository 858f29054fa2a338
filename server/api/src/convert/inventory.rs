//! What an agent found: read from an agent that may lie or be broken, so bounded in count and length; spelled for readers.

use jiff::Timestamp;
use underlay_core::{
    Bytes, FieldError,
    agent::{
        Dimm, Disk, Endorsement, Gpu, Health, Inventory, Neighbour, Nic, NumaNode, PciDevice, Verdict,
        changes::Change, endorsement::Source,
    },
    resident::System,
};
use underlay_proto::v1 as pb;

use super::{faults::Faults, object};

/// Reads an inventory.
///
/// # Errors
/// Each text, list or address that is out of bounds.
pub(crate) fn inventory(message: pb::Inventory) -> Result<Inventory, Vec<FieldError>> {
    let mut faults = Faults::default();
    let disks = faults.list("inventory.disks", message.disks);
    let nics = faults.list("inventory.nics", message.nics);
    let gpus = faults.list("inventory.gpus", message.gpus);
    let numa = faults.list("inventory.numa", message.numa);
    let pci = faults.list("inventory.pci", message.pci);
    let dimms = faults.list("inventory.dimms", message.dimms);
    let inventory = Inventory {
        serial: faults.optional("inventory.serial", message.serial),
        uuid: faults.optional("inventory.uuid", message.uuid).map(|uuid| uuid.to_lowercase()),
        vendor: faults.optional("inventory.vendor", message.vendor),
        product: faults.optional("inventory.product", message.product),
        arch: faults.text("inventory.arch", message.arch, 32),
        firmware: faults.text("inventory.firmware", message.firmware, 32),
        firmware_version: faults.optional("inventory.firmware_version", message.firmware_version),
        cpu_model: faults.optional("inventory.cpu_model", message.cpu_model),
        cpus: message.cpus,
        memory: Bytes(message.memory_bytes),
        tpm: message.tpm,
        disks: disks.into_iter().map(|message| disk(&mut faults, message)).collect(),
        nics: nics.into_iter().filter_map(|message| nic(&mut faults, message)).collect(),
        gpus: gpus.into_iter().map(|message| gpu(&mut faults, message)).collect(),
        numa: numa.into_iter().map(|message| numa_node(&mut faults, message)).collect(),
        pci: pci.into_iter().map(|message| pci_device(&mut faults, message)).collect(),
        dimms: dimms.into_iter().map(|message| dimm(&mut faults, message)).collect(),
        tpm_version: faults.optional("inventory.tpm_version", message.tpm_version),
        endorsement: message.endorsement.and_then(|message| endorsement(&mut faults, message)),
    };
    faults.into_result(Some(inventory))
}

fn gpu(faults: &mut Faults, message: pb::Gpu) -> Gpu {
    let at = "inventory.gpus";
    Gpu { address: faults.text(at, message.address, 32), device: faults.text(at, message.device, 32) }
}

fn numa_node(faults: &mut Faults, message: pb::NumaNode) -> NumaNode {
    let cpus = faults.text("inventory.numa", message.cpus, 256);
    NumaNode { node: message.node, cpus, memory: Bytes(message.memory_bytes) }
}

fn pci_device(faults: &mut Faults, message: pb::PciDevice) -> PciDevice {
    let at = "inventory.pci";
    PciDevice {
        address: faults.text(at, message.address, 32),
        class: faults.text(at, message.class, 8),
        device: faults.text(at, message.device, 32),
        driver: faults.optional(at, message.driver),
    }
}

fn dimm(faults: &mut Faults, message: pb::Dimm) -> Dimm {
    let at = "inventory.dimms";
    Dimm {
        slot: faults.text(at, message.slot, 64),
        size: Bytes(message.size_bytes),
        kind: faults.optional(at, message.kind),
        speed: Some(message.speed_mts).filter(|speed| *speed != 0),
        vendor: faults.optional(at, message.vendor),
        part: faults.optional(at, message.part),
        serial: faults.optional(at, message.serial),
    }
}

fn health(faults: &mut Faults, message: pb::DiskHealth) -> Health {
    let at = "inventory.disks";
    let verdicts = Verdict::ALL.map(|(word, verdict)| (word, Some(verdict)));
    let mut percent = |number: Option<u32>| number.and_then(|number| faults.narrow(at, number));
    let (percent_used, spare_percent) = (percent(message.percent_used), percent(message.spare_percent));
    Health {
        state: faults.optional(at, message.state),
        celsius: message.celsius,
        errors: message.errors,
        verdict: faults.word(at, &message.verdict, &verdicts, None),
        reason: faults.optional(at, message.reason),
        percent_used,
        spare_percent,
        media_errors: message.media_errors,
        reallocated: message.reallocated,
        power_on_hours: message.power_on_hours,
    }
}

fn endorsement(faults: &mut Faults, message: pb::EndorsementKey) -> Option<Endorsement> {
    let at = "inventory.endorsement";
    let sources = Source::ALL.map(|(word, source)| (word, Some(source)));
    let source = faults.word(at, &message.source, &sources, None);
    if message.source.is_empty() {
        faults.add(at, "does not say what it is of");
    }
    let sha256 = faults.parse(at, &message.sha256);
    Some(Endorsement { source: source?, sha256: sha256? })
}

fn neighbour(faults: &mut Faults, message: pb::Neighbour) -> Neighbour {
    let at = "inventory.nics";
    Neighbour {
        chassis: faults.text(at, message.chassis, 256),
        port: faults.text(at, message.port, 256),
        system: faults.optional(at, message.system),
        description: faults.optional(at, message.description),
    }
}

fn disk(faults: &mut Faults, message: pb::Disk) -> Disk {
    let at = "inventory.disks";
    Disk {
        name: faults.text(at, message.name, 64),
        by_path: faults.optional(at, message.by_path),
        serial: faults.optional(at, message.serial),
        wwn: faults.optional(at, message.wwn),
        model: faults.optional(at, message.model),
        kind: faults.text(at, message.kind, 32),
        size: Bytes(message.size_bytes),
        sector: message.sector_bytes,
        excluded: faults.optional(at, message.excluded),
        health: message.health.map(|message| health(faults, message)),
    }
}

fn nic(faults: &mut Faults, message: pb::Nic) -> Option<Nic> {
    let at = "inventory.nics";
    Some(Nic {
        name: faults.text(at, message.name, 64),
        mac: faults.parse(at, &message.mac)?,
        link: message.link,
        speed: Some(message.speed_mbps).filter(|speed| *speed != 0),
        addresses: faults
            .list(at, message.addresses)
            .iter()
            .filter_map(|address| faults.parse(at, address))
            .collect(),
        driver: faults.optional(at, message.driver),
        boot: message.boot,
        neighbour: message.neighbour.map(|message| neighbour(faults, message)),
    })
}

/// Spells an inventory.
pub(crate) fn message(inventory: &Inventory) -> pb::Inventory {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    pb::Inventory {
        serial: text(&inventory.serial),
        uuid: text(&inventory.uuid),
        vendor: text(&inventory.vendor),
        product: text(&inventory.product),
        arch: inventory.arch.clone(),
        firmware: inventory.firmware.clone(),
        firmware_version: text(&inventory.firmware_version),
        cpu_model: text(&inventory.cpu_model),
        cpus: inventory.cpus,
        memory_bytes: inventory.memory.0,
        tpm: inventory.tpm,
        disks: inventory.disks.iter().map(disk_message).collect(),
        nics: inventory.nics.iter().map(nic_message).collect(),
        gpus: inventory.gpus.iter().map(gpu_message).collect(),
        numa: inventory.numa.iter().map(numa_message).collect(),
        pci: inventory.pci.iter().map(pci_message).collect(),
        dimms: inventory.dimms.iter().map(dimm_message).collect(),
        tpm_version: text(&inventory.tpm_version),
        endorsement: inventory.endorsement.map(|key| pb::EndorsementKey {
            source: key.source.as_str().into(),
            sha256: key.sha256.to_string(),
        }),
    }
}

/// Reads what an agent says of the system it lives in.
///
/// # Errors
/// Each text that is out of bounds.
pub(crate) fn system(message: pb::System) -> Result<System, Vec<FieldError>> {
    let mut faults = Faults::default();
    let up_since = message.up_since.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok());
    let system = System {
        hostname: faults.text("system.hostname", message.hostname, 253),
        os: faults.optional("system.os", message.os),
        kernel: faults.optional("system.kernel", message.kernel),
        boot_id: faults.optional("system.boot_id", message.boot_id),
        up_since,
        agent: faults.text("system.agent", message.agent, 64),
    };
    faults.into_result(Some(system))
}

/// Spells it.
pub(crate) fn system_message(system: &System) -> pb::System {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    pb::System {
        hostname: system.hostname.clone(),
        os: text(&system.os),
        kernel: text(&system.kernel),
        boot_id: text(&system.boot_id),
        up_since: system.up_since.map(object::timestamp),
        agent: system.agent.clone(),
    }
}

fn gpu_message(gpu: &Gpu) -> pb::Gpu {
    pb::Gpu { address: gpu.address.clone(), device: gpu.device.clone() }
}

fn numa_message(node: &NumaNode) -> pb::NumaNode {
    pb::NumaNode { node: node.node, cpus: node.cpus.clone(), memory_bytes: node.memory.0 }
}

fn pci_message(pci: &PciDevice) -> pb::PciDevice {
    pb::PciDevice {
        address: pci.address.clone(),
        class: pci.class.clone(),
        device: pci.device.clone(),
        driver: pci.driver.clone().unwrap_or_default(),
    }
}

fn dimm_message(dimm: &Dimm) -> pb::Dimm {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    pb::Dimm {
        slot: dimm.slot.clone(),
        size_bytes: dimm.size.0,
        kind: text(&dimm.kind),
        speed_mts: dimm.speed.unwrap_or_default(),
        vendor: text(&dimm.vendor),
        part: text(&dimm.part),
        serial: text(&dimm.serial),
    }
}

fn health_message(health: &Health) -> pb::DiskHealth {
    pb::DiskHealth {
        state: health.state.clone().unwrap_or_default(),
        celsius: health.celsius,
        errors: health.errors,
        verdict: health.verdict.map(|verdict| verdict.as_str().into()).unwrap_or_default(),
        reason: health.reason.clone().unwrap_or_default(),
        percent_used: health.percent_used.map(u32::from),
        spare_percent: health.spare_percent.map(u32::from),
        media_errors: health.media_errors,
        reallocated: health.reallocated,
        power_on_hours: health.power_on_hours,
    }
}

fn neighbour_message(neighbour: &Neighbour) -> pb::Neighbour {
    pb::Neighbour {
        chassis: neighbour.chassis.clone(),
        port: neighbour.port.clone(),
        system: neighbour.system.clone().unwrap_or_default(),
        description: neighbour.description.clone().unwrap_or_default(),
    }
}

/// Spells what changed in an inventory.
pub(crate) fn change(change: &Change) -> pb::InventoryChange {
    pb::InventoryChange { at: Some(object::timestamp(change.at)), what: change.what.clone() }
}

fn disk_message(disk: &Disk) -> pb::Disk {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    pb::Disk {
        name: disk.name.clone(),
        by_path: text(&disk.by_path),
        serial: text(&disk.serial),
        wwn: text(&disk.wwn),
        model: text(&disk.model),
        kind: disk.kind.clone(),
        size_bytes: disk.size.0,
        sector_bytes: disk.sector,
        excluded: text(&disk.excluded),
        health: disk.health.as_ref().map(health_message),
    }
}

fn nic_message(nic: &Nic) -> pb::Nic {
    pb::Nic {
        name: nic.name.clone(),
        mac: nic.mac.to_string(),
        link: nic.link,
        speed_mbps: nic.speed.unwrap_or_default(),
        addresses: nic.addresses.iter().map(ToString::to_string).collect(),
        driver: nic.driver.clone().unwrap_or_default(),
        boot: nic.boot,
        neighbour: nic.neighbour.as_ref().map(neighbour_message),
    }
}

#[cfg(test)]
mod tests;
