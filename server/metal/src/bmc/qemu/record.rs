//! What must be remembered of a QEMU host between calls: `machine.json` in its directory, replaced as a whole.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};
use underlay_core::bmc::Target;

use super::Error;

const NAME: &str = "machine.json";
/// A record of 16 ports has under a kilobyte.
const LARGEST: u64 = 64 << 10;

/// The memory of one host's driver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Guest port -> port on 127.0.0.1.
    pub(super) ports: BTreeMap<u16, u16>,
    /// What the next power-on starts from.
    pub(super) next_boot: Target,
    /// Power-ons so far.
    pub(super) boots: u64,
}

impl Default for Record {
    fn default() -> Self {
        Self { ports: BTreeMap::new(), next_boot: Target::Disk, boots: 0 }
    }
}

impl Record {
    /// The record in `directory`; a blank one where there is none.
    pub(super) fn load(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(NAME);
        let mut bytes = Vec::new();
        match File::open(&path).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes)) {
            Ok(_) => serde_json::from_slice(&bytes).map_err(|source| Error::Decode { path, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(Error::Read { path, source }),
        }
    }

    /// Replace the record in `directory`; on disk when this returns.
    pub(super) fn save(&self, directory: &Path) -> Result<(), Error> {
        let path = directory.join(NAME);
        let beside = directory.join("machine.json.new");
        let text =
            serde_json::to_vec_pretty(self).map_err(|source| Error::Decode { path: path.clone(), source })?;
        let write = || {
            let mut file = File::create(&beside)?;
            file.write_all(&text)?;
            file.sync_all()?;
            std::fs::rename(&beside, &path)?;
            File::open(directory)?.sync_all()
        };
        write().map_err(|source| Error::Write { path: path.clone(), source })
    }
}
