//! How a machine says which host it is to have, on the wire, both ways.

use underlay_core::{
    Bytes,
    machine::{DiskNeed, Require, Spread, SpreadMode},
};
use underlay_proto::v1 as pb;

use super::faults::Faults;

const MODES: [(&str, SpreadMode); 2] = [("prefer", SpreadMode::Prefer), ("require", SpreadMode::Require)];

/// Reads what is required.
pub(super) fn require(faults: &mut Faults, message: pb::Require) -> Require {
    let disks = faults.list("require.disks", message.disks);
    Require {
        pool: faults.text("require.pool", message.pool, 512),
        arch: faults.optional("require.arch", message.arch),
        cpus: Some(message.cpus).filter(|cpus| *cpus != 0),
        memory: Some(Bytes(message.memory_bytes)).filter(|memory| memory.0 != 0),
        disks: disks.into_iter().enumerate().map(|(at, disk)| need(faults, at, disk)).collect(),
        gpus: Some(message.gpus).filter(|gpus| *gpus != 0),
        labels: faults
            .map("require.labels", message.labels)
            .into_iter()
            .map(|(label, value)| {
                let value = faults.text(&format!("require.labels.{label}"), value, 1024);
                (label, value)
            })
            .collect(),
    }
}

fn need(faults: &mut Faults, at: usize, message: pb::DiskNeed) -> DiskNeed {
    DiskNeed {
        kind: faults.optional(&format!("require.disks.{at}.kind"), message.kind),
        min_size: Some(Bytes(message.min_size_bytes)).filter(|size| size.0 != 0),
        count: message.count.max(1),
    }
}

/// Reads how a group is set apart.
pub(super) fn spread(faults: &mut Faults, message: pb::Spread) -> Spread {
    Spread {
        label: faults.text("spread.label", message.label, 1024),
        mode: faults.word("spread.mode", &message.mode, &MODES, SpreadMode::Prefer),
        group: faults.optional("spread.group", message.group),
    }
}

/// Spells what is required.
pub(super) fn require_message(require: &Require) -> pb::Require {
    pb::Require {
        pool: require.pool.clone(),
        arch: require.arch.clone().unwrap_or_default(),
        cpus: require.cpus.unwrap_or_default(),
        memory_bytes: require.memory.unwrap_or_default().0,
        disks: require.disks.iter().map(need_message).collect(),
        gpus: require.gpus.unwrap_or_default(),
        labels: require.labels.clone().into_iter().collect(),
    }
}

fn need_message(need: &DiskNeed) -> pb::DiskNeed {
    pb::DiskNeed {
        kind: need.kind.clone().unwrap_or_default(),
        min_size_bytes: need.min_size.unwrap_or_default().0,
        count: need.count,
    }
}

/// Spells how a group is set apart.
pub(super) fn spread_message(spread: &Spread) -> pb::Spread {
    let mode = match spread.mode {
        SpreadMode::Prefer => "prefer",
        SpreadMode::Require => "require",
    };
    pb::Spread {
        label: spread.label.clone(),
        mode: mode.to_owned(),
        group: spread.group.clone().unwrap_or_default(),
    }
}
