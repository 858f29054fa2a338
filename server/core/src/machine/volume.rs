//! Volumes of a machine: what its disks beside the root disk are made into, and which of it outlives a re-image.
//!
//! The disks are chosen here and on the server; the installed system makes the volume out of them at its first boot, with the
//! tools of its own image, as the seed tells it. No agent writes to them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::RootHint;
use crate::{FieldError, agent::Disk, disks};

/// The most volumes of one machine, and the most disks of one volume.
const MOST: usize = 32;
/// Directories that belong to the image.
const TAKEN: [&str; 12] =
    ["/", "/boot", "/boot/efi", "/bin", "/dev", "/etc", "/lib", "/proc", "/run", "/sbin", "/sys", "/usr"];

/// One volume; its name is its label too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Volume {
    /// Its disks; each hint must mean exactly one, as for the root disk.
    pub disks: Vec<RootHint>,
    /// What they are made into.
    pub layout: Layout,
    /// What is made in it.
    pub filesystem: Filesystem,
    /// Where it is mounted.
    pub mount: String,
    /// Does what is in it outlive a re-image?
    pub keep: Keep,
}

/// What the disks of a volume are made into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Its one disk, as it is.
    #[default]
    Plain,
    /// One volume group over all of them, with one logical volume.
    Lvm,
    /// A mirror (md, RAID 1).
    Mirror,
}

impl Layout {
    /// All, each with its word in HCL.
    pub const WORDS: [(&'static str, Layout); 3] =
        [("plain", Layout::Plain), ("lvm", Layout::Lvm), ("mirror", Layout::Mirror)];

    /// The word used in HCL.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, layout)| *layout == self).map_or("plain", |(word, _)| word)
    }
}

/// A file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filesystem {
    /// ext4.
    #[default]
    Ext4,
    /// XFS.
    Xfs,
}

impl Filesystem {
    /// All, each with its word in HCL.
    pub const WORDS: [(&'static str, Filesystem); 2] = [("ext4", Filesystem::Ext4), ("xfs", Filesystem::Xfs)];

    /// The word used in HCL.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, kind)| *kind == self).map_or("ext4", |(word, _)| word)
    }
}

/// What becomes of a volume when the machine is re-imaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// It is kept, byte for byte; made where its disks are blank; and never made over anything else.
    #[default]
    Preserve,
    /// It is made anew: its disks are erased.
    Erase,
}

/// Why the disks of a machine cannot be told.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A hint means none, or several.
    #[error("volumes.{volume}.disks.{position}: {source}")]
    Choose {
        /// The volume.
        volume: String,
        /// Which of its disks, from 0.
        position: usize,
        /// Why.
        #[source]
        source: disks::Error,
    },
    /// A disk is meant twice.
    #[error("volumes.{volume}.disks.{position}: {disk} is {owner} already")]
    Twice {
        /// The volume.
        volume: String,
        /// Which of its disks, from 0.
        position: usize,
        /// Kernel name.
        disk: String,
        /// Whose.
        owner: String,
    },
    /// The installed system could not find it.
    #[error(
        "volumes.{volume}.disks.{position}: {disk} has no serial number, by which the installed system finds it"
    )]
    Nameless {
        /// The volume.
        volume: String,
        /// Which of its disks, from 0.
        position: usize,
        /// Kernel name.
        disk: String,
    },
}

/// The serial numbers of the disks of each volume.
pub type Resolved = BTreeMap<String, Vec<String>>;

/// Finds the disks of every volume among `present`, none of which may be `root` or another volume's.
///
/// # Errors
/// See [`Error`].
pub fn resolve(volumes: &BTreeMap<String, Volume>, present: &[Disk], root: &Disk) -> Result<Resolved, Error> {
    let mut owners = BTreeMap::from([(root.name.clone(), "the root disk".to_owned())]);
    let mut resolved = Resolved::new();
    for (name, volume) in volumes {
        let mut serials = Vec::new();
        for (position, hint) in volume.disks.iter().enumerate() {
            let volume = || name.clone();
            let disk = disks::choose(present, hint, Default::default()).map_err(|source| Error::Choose {
                volume: volume(),
                position,
                source,
            })?;
            if let Some(owner) = owners.insert(disk.name.clone(), format!("a disk of volume {name}")) {
                return Err(Error::Twice { volume: volume(), position, disk: disk.name.clone(), owner });
            }
            let same = present.iter().filter(|other| other.serial == disk.serial).count();
            match &disk.serial {
                Some(serial) if same == 1 => serials.push(serial.clone()),
                _ => return Err(Error::Nameless { volume: volume(), position, disk: disk.name.clone() }),
            }
        }
        resolved.insert(name.clone(), serials);
    }
    Ok(resolved)
}

/// Does a re-image erase more than the root disk?
pub fn erases(volumes: &BTreeMap<String, Volume>) -> bool {
    volumes.values().any(|volume| volume.keep == Keep::Erase)
}

pub(super) fn validate(volumes: &BTreeMap<String, Volume>, root: &RootHint, errors: &mut Vec<FieldError>) {
    let mut fault = |path: String, message: &str| errors.push(FieldError::new(path, message));
    if volumes.len() > MOST {
        fault("volumes".into(), "has more than 32 entries");
    }
    if !volumes.is_empty() && *root == RootHint::default() {
        fault(
            "root".into(),
            "say which disk is the root disk, since the machine has others: root = { serial = \"...\" }",
        );
    }
    let mut mounts = BTreeSet::new();
    for (name, volume) in volumes {
        let path = |field: &str| format!("volumes.{name}{field}");
        let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        // XFS keeps twelve characters of a label.
        if !(1..=12).contains(&name.len())
            || !name.chars().all(known)
            || !name.starts_with(|c: char| c.is_ascii_lowercase())
        {
            fault(
                path(""),
                "a name, which is its label too, has 1 to 12 of a-z, 0-9 and '-', a letter first",
            );
        }
        match (volume.layout, volume.disks.len()) {
            (_, 0) => fault(path(".disks"), "name its disks"),
            (Layout::Plain, 2..) => fault(
                path(".disks"),
                "one disk is as it is; for several write layout = \"lvm\" or \"mirror\"",
            ),
            (Layout::Mirror, 1) => fault(path(".disks"), "a mirror has at least two disks"),
            (_, count) if count > MOST => fault(path(".disks"), "has more than 32 entries"),
            _ => {}
        }
        for (position, hint) in volume.disks.iter().enumerate() {
            if *hint == RootHint::default() {
                fault(
                    path(&format!(".disks.{position}")),
                    "say which: serial, wwn, by_path, kind or min_size",
                );
            }
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
        let parts = volume.mount.split('/').skip(1);
        if !volume.mount.starts_with('/')
            || volume.mount.len() > 128
            || !volume.mount.chars().all(plain)
            || parts.clone().any(|part| part.is_empty() || part == "." || part == "..")
            || TAKEN.contains(&volume.mount.as_str())
        {
            fault(
                path(".mount"),
                "must be an absolute path that is the image's no more, such as \"/srv/data\"",
            );
        }
        if !mounts.insert(&volume.mount) {
            fault(path(".mount"), "another volume is mounted there");
        }
    }
}

#[cfg(test)]
mod tests;
