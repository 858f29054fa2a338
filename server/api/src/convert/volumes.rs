//! Volumes of a machine on the wire, both ways.

use std::collections::{BTreeMap, HashMap};

use underlay_core::machine::{Filesystem, Keep, Layout, Volume};
use underlay_proto::v1 as pb;

use super::{faults::Faults, machine};

/// Reads them.
pub(super) fn volumes(
    faults: &mut Faults,
    messages: HashMap<String, pb::Volume>,
) -> BTreeMap<String, Volume> {
    let entries = faults.map("volumes", messages).into_iter();
    entries.map(|(name, message)| (name.clone(), volume(faults, &name, message))).collect()
}

fn volume(faults: &mut Faults, name: &str, message: pb::Volume) -> Volume {
    let at = |field: &str| format!("volumes.{name}.{field}");
    let disks = faults.list(&at("disks"), message.disks).into_iter().enumerate();
    Volume {
        disks: disks
            .map(|(position, hint)| machine::hint(faults, &at(&format!("disks.{position}")), hint))
            .collect(),
        layout: faults.word(&at("layout"), &message.layout, &Layout::WORDS, Layout::Plain),
        filesystem: faults.word(&at("filesystem"), &message.filesystem, &Filesystem::WORDS, Filesystem::Ext4),
        mount: faults.text(&at("mount"), message.mount, 128),
        keep: if message.erase { Keep::Erase } else { Keep::Preserve },
    }
}

/// Spells them.
pub(super) fn message(volumes: &BTreeMap<String, Volume>) -> HashMap<String, pb::Volume> {
    let spell = |volume: &Volume| pb::Volume {
        disks: volume.disks.iter().map(machine::root_message).collect(),
        layout: volume.layout.word().to_owned(),
        filesystem: volume.filesystem.word().to_owned(),
        mount: volume.mount.clone(),
        erase: volume.keep == Keep::Erase,
    };
    volumes.iter().map(|(name, volume)| (name.clone(), spell(volume))).collect()
}
