//! What an agent finds on a machine, in the wire's words.

use underlay_proto::v1;

use super::{Hardware, Machine};
use crate::{machine::hardware, rack::Rack};

/// The inventory as an agent would read it from the machine's /sys.
pub fn inventory(rack: &Rack, machine: &Machine) -> v1::Inventory {
    let hardware = machine.hardware();
    let model = hardware.model;
    v1::Inventory {
        serial: rack.faults.serial(machine).unwrap_or_else(|| hardware.serial.clone()),
        uuid: hardware.uuid.to_string(),
        vendor: model.manufacturer.into(),
        product: model.product.into(),
        arch: "x86_64".into(),
        firmware: if machine.state().boot.mode == "Legacy" { "bios" } else { "uefi" }.into(),
        firmware_version: model.firmware.into(),
        cpu_model: model.cpu.into(),
        cpus: hardware.cpus(),
        memory_bytes: model.memory_gib << 30,
        tpm: false,
        disks: disks(&hardware),
        nics: nics(machine, &hardware),
        gpus: Vec::new(),
        numa: vec![v1::NumaNode {
            node: 0,
            cpus: format!("0-{}", hardware.cpus().saturating_sub(1)),
            memory_bytes: model.memory_gib << 30,
        }],
        pci: Vec::new(),
        dimms: dimms(&hardware),
        tpm_version: String::new(),
        endorsement: None,
    }
}

/// Two modules, each with half of the memory.
fn dimms(hardware: &Hardware) -> Vec<v1::Dimm> {
    let dimm = |slot: &str| v1::Dimm {
        slot: slot.into(),
        size_bytes: (hardware.model.memory_gib << 30) / 2,
        kind: "DDR5".into(),
        speed_mts: 4800,
        vendor: "Simulated".into(),
        part: "SIM-4800".into(),
        serial: format!("{}-{slot}", hardware.serial),
    };
    ["DIMM_A1", "DIMM_B1"].map(dimm).into()
}

fn disks(hardware: &Hardware) -> Vec<v1::Disk> {
    let models = hardware.model.disks.iter();
    let disk = |(disk, identity): (&crate::models::DiskModel, &hardware::DiskIdentity)| v1::Disk {
        name: identity.name.clone(),
        by_path: identity.by_path.clone(),
        serial: identity.serial.clone(),
        wwn: identity.wwn.clone(),
        model: disk.model.into(),
        kind: disk.kind.into(),
        size_bytes: disk.gib << 30,
        sector_bytes: 512,
        excluded: String::new(),
        health: Some(v1::DiskHealth { celsius: Some(34), ..Default::default() }),
    };
    models.zip(&hardware.disks).map(disk).collect()
}

fn nics(machine: &Machine, hardware: &Hardware) -> Vec<v1::Nic> {
    let nic = |(position, mac): (usize, &underlay_core::Mac)| {
        let boots = position == 0;
        v1::Nic {
            name: format!("eth{position}"),
            mac: mac.to_string(),
            link: boots,
            speed_mbps: if boots { hardware.model.nic_mbps } else { 0 },
            addresses: boots.then(|| hardware::nic_address(machine.index).to_string()).into_iter().collect(),
            driver: hardware.model.nic_driver.into(),
            boot: boots,
            neighbour: boots.then(|| v1::Neighbour {
                chassis: "02:00:5e:00:00:01".into(),
                port: format!("Ethernet1/{}", machine.index + 1),
                system: "leaf-1".into(),
                description: String::new(),
            }),
        }
    };
    hardware.macs.iter().enumerate().map(nic).collect()
}
