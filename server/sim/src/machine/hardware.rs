//! What a machine is made of and how it is told apart: worked out from the rack's seed whenever it is asked for, so that
//! ten thousand machines cost nothing to remember.

use std::net::Ipv4Addr;

use underlay_core::Mac;
use uuid::Uuid;

use crate::{dice, models::Model};

/// The namespace of the machines' UUIDs.
const NAMESPACE: Uuid = Uuid::from_u128(0x6b1f_2c52_9f0e_4f0e_9a5f_7d3c_5a17_0001);
/// BMCs have addresses from 127.16.0.1 on, NICs from 127.96.0.1 on; 250 to each /24.
const BMCS: u32 = u32::from_be_bytes([127, 16, 0, 0]);
const NICS: u32 = u32::from_be_bytes([127, 96, 0, 0]);
const PER_NET: u32 = 250;
/// The most machines there are addresses for.
pub const MOST: u32 = 1 << 20;

/// Who a machine is.
#[derive(Clone, Debug)]
pub struct Hardware {
    /// Its place in the rack, `r1u7`.
    pub name: String,
    /// Number of its rack.
    pub rack: u32,
    /// What kind it is.
    pub model: &'static Model,
    /// SMBIOS serial number.
    pub serial: String,
    /// SMBIOS UUID.
    pub uuid: Uuid,
    /// MACs of its NICs; it boots over the first.
    pub macs: Vec<Mac>,
    /// Serial number and WWN of each disk.
    pub disks: Vec<DiskIdentity>,
}

/// How a disk is told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskIdentity {
    /// Kernel name in the agent.
    pub name: String,
    /// Name under `/dev/disk/by-path`.
    pub by_path: String,
    /// Serial number.
    pub serial: String,
    /// World wide name.
    pub wwn: String,
}

impl Hardware {
    /// Machine `index` of a rack with `seed`, `per_rack` to a rack.
    pub fn of(model: &'static Model, seed: u64, index: u32, per_rack: u32) -> Self {
        let own = dice::throw(seed, &[u64::from(index)]);
        let rack = index / per_rack.max(1) + 1;
        Self {
            name: name(index, per_rack),
            rack,
            model,
            serial: format!("{}{:04X}{index:05X}", model.serial_prefix, own & 0xffff),
            uuid: Uuid::new_v5(&NAMESPACE, format!("{seed}/{index}").as_bytes()),
            macs: (0..model.nics).map(|nic| mac(seed, index, nic)).collect(),
            disks: disks(model, own, index),
        }
    }

    /// The MAC of the NIC it boots over.
    pub fn boot_mac(&self) -> Mac {
        self.macs.first().copied().unwrap_or(Mac([0; 6]))
    }

    /// Logical CPUs.
    pub fn cpus(&self) -> u32 {
        self.model.sockets * self.model.cores * 2
    }
}

/// The place of a machine: `r1u1` is the first.
pub fn name(index: u32, per_rack: u32) -> String {
    format!("r{}u{}", index / per_rack.max(1) + 1, index % per_rack.max(1) + 1)
}

/// The address of a machine's BMC.
pub fn bmc_address(index: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(BMCS + index / PER_NET * 256 + index % PER_NET + 1)
}

/// The machine whose BMC has that address.
pub fn at_bmc_address(address: Ipv4Addr) -> Option<u32> {
    let offset = address.to_bits().checked_sub(BMCS)?;
    let (net, place) = (offset / 256, (offset % 256).checked_sub(1)?);
    let index = net * PER_NET + place;
    (place < PER_NET && index < MOST).then_some(index)
}

/// The address of a machine's boot NIC, where it has none from DHCP.
pub fn nic_address(index: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(NICS + index / PER_NET * 256 + index % PER_NET + 1)
}

/// Locally administered, told apart by seed, machine and NIC.
fn mac(seed: u64, index: u32, nic: u8) -> Mac {
    let [high, low, ..] = dice::throw(seed, &[u64::MAX]).to_be_bytes();
    let [_, a, b, c] = (index << 4 | u32::from(nic & 0xf)).to_be_bytes();
    Mac([0x02, high, low, a, b, c])
}

fn disks(model: &Model, own: u64, index: u32) -> Vec<DiskIdentity> {
    let (mut nvme, mut sata) = (0_u32, 0_u32);
    let mut disks = Vec::with_capacity(model.disks.len());
    for (position, disk) in model.disks.iter().enumerate() {
        let (name, by_path) = if disk.kind == "nvme" {
            nvme += 1;
            (format!("nvme{}n1", nvme - 1), format!("pci-0000:0{nvme}:00.0-nvme-1"))
        } else {
            sata += 1;
            let letter = char::from(b'a' + u8::try_from(sata - 1).unwrap_or(25).min(25));
            (format!("sd{letter}"), format!("pci-0000:00:17.0-ata-{sata}.0"))
        };
        let serial = format!("SD{:06X}{index:05X}{position}", own >> 40);
        let wwn = format!("0x5000c5{:05x}{position:01x}{:04x}", index & 0xf_ffff, own & 0xffff);
        disks.push(DiskIdentity { name, by_path, serial, wwn });
    }
    disks
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::models;

    #[test]
    fn no_two_of_ten_thousand_machines_share_an_identity() {
        let mut seen = HashSet::new();
        for index in 0..10_000 {
            let hardware = Hardware::of(models::ALL[index as usize % 6], 42, index, 40);
            assert!(seen.insert(hardware.serial.clone()) && seen.insert(hardware.uuid.to_string()));
            assert!(seen.insert(hardware.name.clone()) && seen.insert(bmc_address(index).to_string()));
            assert!(seen.insert(nic_address(index).to_string()));
            for mac in &hardware.macs {
                assert!(mac.is_unicast() && seen.insert(mac.to_string()));
            }
            for disk in &hardware.disks {
                assert!(seen.insert(disk.serial.clone()) && seen.insert(disk.wwn.clone()));
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_machine() {
        let of = |seed| Hardware::of(&models::ILO, seed, 7, 40);
        assert_eq!((of(1).serial, of(1).macs, of(1).uuid), (of(1).serial, of(1).macs, of(1).uuid));
        assert_ne!(of(1).boot_mac(), of(2).boot_mac());
        assert_eq!((of(1).name.as_str(), name(40, 40).as_str()), ("r1u8", "r2u1"));
    }

    #[test]
    fn a_bmc_is_found_by_its_address_and_by_no_other() {
        for index in [0, 1, 249, 250, 9_999] {
            assert_eq!(at_bmc_address(bmc_address(index)), Some(index));
        }
        for other in ["127.0.0.1", "127.16.0.0", "127.16.0.255", "10.0.0.1", "255.255.255.255"] {
            assert_eq!(at_bmc_address(other.parse().unwrap()), None, "{other}");
        }
    }
}
