//! How a machine says which host it is to have: schema, and to the API and back.

use std::collections::BTreeMap;

use tfplugin::{Attr, Schema, schema::validate};
use underlay_proto::v1 as pb;

use crate::{
    size,
    written::{Fit, bytes, plain, seen_bytes, seen_map, seen_text},
};

/// What a host must be to be claimed; everything that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Require {
    /// The pool the host comes from; `OWNER/NAME` for another owner's.
    #[tf(required)]
    pub pool: Attr<String>,
    /// `x86_64` or `aarch64`.
    #[tf(optional, validate = validate::one_of(&["x86_64", "aarch64"]))]
    pub arch: Attr<String>,
    /// At least so many logical CPUs.
    #[tf(optional, validate = validate::between(1..=i64::from(u32::MAX)))]
    pub cpus: Attr<i64>,
    /// At least so much memory, such as `64GiB`.
    #[tf(optional, validate = size::valid)]
    pub memory: Attr<String>,
    /// Disks it must have; one disk counts for one entry only.
    #[tf(optional)]
    pub disks: Attr<Vec<DiskNeed>>,
    /// At least so many GPUs.
    #[tf(optional, validate = validate::between(1..=i64::from(u32::MAX)))]
    pub gpus: Attr<i64>,
    /// Labels it must have, with exactly these values.
    #[tf(optional)]
    pub labels: Attr<BTreeMap<String, String>>,
}

/// Disks that a host must have.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct DiskNeed {
    /// `nvme`, `ssd`, `hdd` or `virtio`; left out, any.
    #[tf(optional, validate = validate::one_of(&["nvme", "ssd", "hdd", "virtio"]))]
    pub kind: Attr<String>,
    /// At least this large, each of them, such as `400GB`.
    #[tf(optional, validate = size::valid)]
    pub min_size: Attr<String>,
    /// So many of them; left out, one.
    #[tf(optional, validate = validate::between(1..=64))]
    pub count: Attr<i64>,
}

/// How the machines of one group stand apart from each other.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Spread {
    /// The label of the hosts by whose value they stand apart, such as `rack`.
    #[tf(required)]
    pub label: Attr<String>,
    /// `prefer` takes the value that fewest of the group have; `require` never puts two of the group with one value.
    #[tf(default = "prefer", validate = validate::one_of(&["prefer", "require"]))]
    pub mode: Attr<String>,
    /// Which machines belong together; left out, those whose names differ only in the number at their end.
    #[tf(optional)]
    pub group: Attr<String>,
}

pub(super) fn require(require: &Require) -> Fit<pb::Require> {
    Ok(pb::Require {
        pool: plain(&require.pool)?,
        arch: plain(&require.arch)?,
        cpus: small(&require.cpus)?,
        memory_bytes: bytes("require.memory", &require.memory)?,
        disks: plain(&require.disks)?.iter().map(disk).collect::<Fit<_>>()?,
        gpus: small(&require.gpus)?,
        labels: plain(&require.labels)?.into_iter().collect(),
    })
}

fn disk(disk: &DiskNeed) -> Fit<pb::DiskNeed> {
    Ok(pb::DiskNeed {
        kind: plain(&disk.kind)?,
        min_size_bytes: bytes("require.disks", &disk.min_size)?,
        count: small(&disk.count)?,
    })
}

/// A number that its validator has bounded.
fn small(number: &Attr<i64>) -> Fit<u32> {
    Ok(u32::try_from(plain(number)?).unwrap_or(u32::MAX))
}

pub(super) fn spread(spread: &Spread) -> Fit<pb::Spread> {
    Ok(pb::Spread { label: plain(&spread.label)?, mode: plain(&spread.mode)?, group: plain(&spread.group)? })
}

pub(super) fn seen_require(prior: &Attr<Require>, seen: Option<&pb::Require>) -> Attr<Require> {
    let Some(seen) = seen else { return Attr::Null };
    let before = prior.clone().unwrap_or_default();
    let written: Vec<DiskNeed> = before.disks.get().cloned().unwrap_or_default();
    let disks: Vec<DiskNeed> =
        seen.disks.iter().enumerate().map(|(at, need)| seen_disk(written.get(at), need)).collect();
    let labels: BTreeMap<String, String> = seen.labels.clone().into_iter().collect();
    Require {
        pool: seen_text(&seen.pool),
        arch: seen_text(&seen.arch),
        cpus: seen_small(seen.cpus),
        memory: seen_bytes(&before.memory, seen.memory_bytes),
        disks: if disks.is_empty() && before.disks.is_null() { Attr::Null } else { disks.into() },
        gpus: seen_small(seen.gpus),
        labels: seen_map(&before.labels, labels),
    }
    .into()
}

fn seen_disk(written: Option<&DiskNeed>, seen: &pb::DiskNeed) -> DiskNeed {
    let before = written.cloned().unwrap_or_default();
    DiskNeed {
        kind: seen_text(&seen.kind),
        min_size: seen_bytes(&before.min_size, seen.min_size_bytes),
        count: if seen.count == 1 && before.count.is_null() { Attr::Null } else { seen_small(seen.count) },
    }
}

fn seen_small(number: u32) -> Attr<i64> {
    if number == 0 { Attr::Null } else { i64::from(number).into() }
}

pub(super) fn seen_spread(seen: Option<&pb::Spread>) -> Attr<Spread> {
    let Some(seen) = seen else { return Attr::Null };
    Spread { label: seen_text(&seen.label), mode: seen_text(&seen.mode), group: seen_text(&seen.group) }
        .into()
}
