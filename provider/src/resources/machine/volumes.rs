//! The volumes of a machine: schema, to the API, and back.

use std::collections::{BTreeMap, HashMap};

use tfplugin::{Attr, Schema, schema::validate};
use underlay_proto::v1 as pb;

use super::{convert, model::Root};
use crate::written::{Fit, entries, plain, seen_map, seen_text};

/// What some disks are made into by the installed system, at its first boot. Its name is the label of its file system.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Volume {
    /// Its disks; each must mean exactly one, which is neither the root disk nor another volume's.
    #[tf(required)]
    pub disks: Attr<Vec<Root>>,
    /// `plain` (its one disk as it is), `lvm` (one volume group over all of them; the image needs `lvm2`) or `mirror` (RAID 1; the
    /// image needs `mdadm`).
    #[tf(default = "plain", validate = validate::one_of(&["plain", "lvm", "mirror"]))]
    pub layout: Attr<String>,
    /// `ext4` or `xfs`.
    #[tf(default = "ext4", validate = validate::one_of(&["ext4", "xfs"]))]
    pub filesystem: Attr<String>,
    /// Where it is mounted.
    #[tf(required)]
    pub mount: Attr<String>,
    /// Whether it outlives a re-image. It is then made only where its disks are blank, and found again by its label. `false`:
    /// made anew each time, which the plan calls `erase_all`.
    #[tf(default = true)]
    pub preserve: Attr<bool>,
}

pub(super) fn messages(volumes: &Attr<BTreeMap<String, Volume>>) -> Fit<HashMap<String, pb::Volume>> {
    entries(volumes, |volume| {
        let disks = plain(&volume.disks)?;
        Ok(pb::Volume {
            disks: disks.iter().map(convert::root).collect::<Fit<_>>()?,
            layout: plain(&volume.layout)?,
            filesystem: plain(&volume.filesystem)?,
            mount: plain(&volume.mount)?,
            erase: !plain(&volume.preserve)?,
        })
    })
}

pub(super) fn seen(
    prior: &Attr<BTreeMap<String, Volume>>,
    volumes: &HashMap<String, pb::Volume>,
) -> Attr<BTreeMap<String, Volume>> {
    let before = prior.clone().unwrap_or_default();
    let volume = |(name, seen): (&String, &pb::Volume)| {
        let written = before.get(name).cloned().unwrap_or_default().disks.unwrap_or_default();
        let disk = |(at, hint): (usize, &pb::RootHint)| {
            let prior = written.get(at).cloned().map_or(Attr::Null, Attr::Value);
            convert::seen_root(&prior, hint).unwrap_or_default()
        };
        let volume = Volume {
            disks: Attr::Value(seen.disks.iter().enumerate().map(disk).collect()),
            layout: seen_text(&seen.layout),
            filesystem: seen_text(&seen.filesystem),
            mount: seen_text(&seen.mount),
            preserve: (!seen.erase).into(),
        };
        (name.clone(), volume)
    };
    seen_map(prior, volumes.iter().map(volume).collect())
}
