//! What is known of a host's hardware: from the agent's inventory where one was there, else from what its driver says.

use serde::{Deserialize, Serialize};

use super::{Driver, Host};
use crate::{Bytes, Object};

/// Hardware, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// `x86_64` or `aarch64`.
    pub arch: Option<String>,
    /// Logical CPUs.
    pub cpus: Option<u32>,
    /// Memory.
    pub memory: Option<Bytes>,
    /// Disks that may be written: kind and size.
    pub disks: Option<Vec<(String, Bytes)>>,
    /// GPUs.
    pub gpus: Option<u32>,
}

impl Facts {
    /// What is known of a host.
    pub fn of(host: &Object<Host>) -> Self {
        if let Some(found) = &host.status.inventory {
            let usable = found.disks.iter().filter(|disk| disk.excluded.is_none());
            return Self {
                arch: Some(found.arch.clone()),
                cpus: Some(found.cpus),
                memory: Some(found.memory),
                disks: Some(usable.map(|disk| (disk.kind.clone(), disk.size)).collect()),
                gpus: Some(u32::try_from(found.gpus.len()).unwrap_or(u32::MAX)),
            };
        }
        match &host.spec.driver {
            Driver::Qemu(qemu) => Self {
                cpus: Some(qemu.cpus),
                memory: Some(qemu.memory),
                disks: Some(qemu.disks.iter().map(|size| ("virtio".into(), *size)).collect()),
                gpus: Some(0),
                ..host.status.told.clone()
            },
            Driver::Redfish(_) | Driver::Ipmi(_) | Driver::Manual(_) | Driver::None => {
                host.status.told.clone()
            }
        }
    }
}
