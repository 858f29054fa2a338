//! How a machine says which host it is to have, when it does not name one: what the host must be, and how machines of one
//! group stand apart from each other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Bytes, FieldError};

/// What a host must be to be claimed; everything that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Require {
    /// The pool the host comes from, `NAME` or `OWNER/NAME`.
    pub pool: String,
    /// `x86_64` or `aarch64`.
    pub arch: Option<String>,
    /// At least so many logical CPUs.
    pub cpus: Option<u32>,
    /// At least so much memory.
    pub memory: Option<Bytes>,
    /// Disks it must have; one disk counts for one entry only.
    pub disks: Vec<DiskNeed>,
    /// At least so many GPUs.
    pub gpus: Option<u32>,
    /// Labels it must have, with exactly these values.
    pub labels: BTreeMap<String, String>,
}

/// Disks that a host must have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskNeed {
    /// `nvme`, `ssd`, `hdd` or `virtio`.
    pub kind: Option<String>,
    /// At least this large, each of them.
    pub min_size: Option<Bytes>,
    /// So many of them.
    pub count: u32,
}

/// How machines of one group are set apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// The label of the host by whose value they stand apart: `rack`.
    pub label: String,
    /// How firmly.
    pub mode: SpreadMode,
    /// Which machines belong together; left out: those whose names differ only in the number at their end.
    pub group: Option<String>,
}

/// How firmly machines are set apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpreadMode {
    /// The value that fewest of the group have comes first.
    #[default]
    Prefer,
    /// Never two of the group with one value.
    Require,
}

impl Spread {
    /// The group that a machine of this name belongs to.
    pub fn group<'a>(&'a self, machine: &'a str) -> &'a str {
        self.group.as_deref().unwrap_or_else(|| machine.trim_end_matches(|c: char| c.is_ascii_digit()))
    }
}

impl Require {
    pub(super) fn validate(&self, errors: &mut Vec<FieldError>) {
        let mut refuse = |attribute: String, message: &str| errors.push(FieldError::new(attribute, message));
        if self.pool.is_empty() {
            refuse("require.pool".into(), "name the pool the host comes from");
        }
        if self.arch.as_deref().is_some_and(|arch| !["x86_64", "aarch64"].contains(&arch)) {
            refuse("require.arch".into(), "use \"x86_64\" or \"aarch64\"");
        }
        if self.cpus == Some(0) {
            refuse("require.cpus".into(), "use at least 1, or leave it out");
        }
        if self.disks.len() > 64 {
            refuse("require.disks".into(), "has more than 64 entries");
        }
        for (at, disk) in self.disks.iter().enumerate() {
            let kinds = ["nvme", "ssd", "hdd", "virtio"];
            if disk.kind.as_deref().is_some_and(|kind| !kinds.contains(&kind)) {
                refuse(format!("require.disks.{at}.kind"), "use \"nvme\", \"ssd\", \"hdd\" or \"virtio\"");
            }
            if !(1..=64).contains(&disk.count) {
                refuse(format!("require.disks.{at}.count"), "use 1 to 64");
            }
        }
    }
}
