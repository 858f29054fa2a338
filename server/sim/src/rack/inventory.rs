//! What is written for whoever enrols a rack: a JSON document for Terraform's `jsondecode(file(..))`. The password of the
//! BMCs is not in it.

use serde::Serialize;

use super::{Rack, spec::Scheme};
use crate::machine::hardware;

/// A rack, for whoever enrols it.
#[derive(Debug, Serialize)]
pub struct Inventory {
    /// The seed it was made from.
    pub seed: u64,
    /// The user of every BMC.
    pub bmc_user: String,
    /// Its machines, in order.
    pub machines: Vec<Entry>,
}

/// One machine.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// Its place.
    pub name: String,
    /// Where its BMC is.
    pub bmc_address: String,
    /// Id of its ComputerSystem.
    pub system: &'static str,
    /// MAC of the NIC it boots over.
    pub boot_mac: String,
    /// MACs of all its NICs.
    pub macs: Vec<String>,
    /// SMBIOS serial number.
    pub serial: String,
    /// SMBIOS UUID.
    pub uuid: String,
    /// Its rack, `r1`.
    pub rack: String,
    /// Its kind.
    pub model: &'static str,
    /// Logical CPUs.
    pub cpus: u32,
    /// Memory.
    pub memory_bytes: u64,
    /// Its disks.
    pub disks: Vec<Disk>,
}

/// One disk.
#[derive(Debug, Serialize)]
pub struct Disk {
    /// `nvme`, `ssd` or `hdd`.
    pub kind: &'static str,
    /// Capacity.
    pub size_bytes: u64,
    /// Serial number.
    pub serial: String,
}

/// The inventory of `rack`, whose BMCs listen on `port`.
pub fn inventory(rack: &Rack, port: u16) -> Inventory {
    let scheme = match rack.spec.scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    let entry = |machine: &std::sync::Arc<crate::machine::Machine>| {
        let hardware = machine.hardware();
        let disks = hardware.model.disks.iter().zip(&hardware.disks).map(|(disk, identity)| Disk {
            kind: disk.kind,
            size_bytes: disk.gib << 30,
            serial: identity.serial.clone(),
        });
        Entry {
            bmc_address: format!("{scheme}://{}:{port}", hardware::bmc_address(machine.index)),
            system: hardware.model.bmc.system,
            boot_mac: hardware.boot_mac().to_string(),
            macs: hardware.macs.iter().map(ToString::to_string).collect(),
            serial: hardware.serial.clone(),
            uuid: hardware.uuid.to_string(),
            rack: format!("r{}", hardware.rack),
            model: hardware.model.name,
            cpus: hardware.cpus(),
            memory_bytes: hardware.model.memory_gib << 30,
            disks: disks.collect(),
            name: hardware.name,
        }
    };
    Inventory {
        seed: rack.spec.seed,
        bmc_user: rack.spec.login.user.clone(),
        machines: rack.machines.iter().map(entry).collect(),
    }
}
