//! Every disk of a machine made blank, with a line for each; a disk that is to fail fails, and a machine that is to hang
//! says nothing more.

use std::sync::Arc;

use tokio::{sync::watch, time::Instant};
use underlay_proto::v1::{self as pb, report::Stage};

use crate::{
    machine::{self, Machine, disk::Content},
    rack::Rack,
};

/// What a real agent reads back from a disk.
const SAMPLES: u32 = 64;

/// One wipe.
pub(super) struct Work {
    rack: Arc<Rack>,
    machine: Arc<Machine>,
    order: pb::Clean,
    say: watch::Sender<Option<Stage>>,
}

impl Work {
    pub(super) fn new(life: &machine::Life, order: pb::Clean, say: watch::Sender<Option<Stage>>) -> Self {
        Self { rack: Arc::clone(&life.rack), machine: Arc::clone(&life.machine), order, say }
    }

    /// Does it; the last stage is `Wiped` or `Failed`, or there is none.
    pub(super) async fn run(self) {
        self.say.send_replace(Some(Stage::Checking(pb::report::Checking {})));
        let inventory = machine::inventory(&self.rack, &self.machine);
        let is_meant =
            self.order.expected_serial.is_empty() || self.order.expected_serial == inventory.serial;
        if !is_meant {
            let failure = pb::Failure {
                kind: pb::failure::Kind::Permanent.into(),
                what: "wiping the disks".into(),
                why: "this is not the host the order is for".into(),
                done: "nothing was wiped".into(),
                next: "compare the host's identity with the machine in the rack".into(),
                attribute: String::new(),
            };
            let failed =
                pb::report::Failed { failure: Some(failure), touched_disk: false, blames_host: false };
            self.say.send_replace(Some(Stage::Failed(failed)));
            return;
        }
        let total = inventory.disks.iter().map(|disk| disk.size_bytes).sum();
        self.say.send_replace(Some(Stage::Wiping(pb::report::Wiping { done: 0, total, seconds: 0 })));
        if self.rack.faults.agent_dies_at(&self.machine).is_some() {
            return;
        }
        let disks = inventory.disks.iter().enumerate().map(|(at, disk)| self.wipe(at, disk)).collect();
        self.say.send_replace(Some(Stage::Wiped(pb::report::Wiped { disks })));
    }

    fn wipe(&self, position: usize, disk: &pb::Disk) -> pb::Wipe {
        let began = Instant::now();
        let (serial, wwn, model) = (disk.serial.clone(), disk.wwn.clone(), disk.model.clone());
        let wipe = pb::Wipe {
            disk: disk.name.clone(),
            serial,
            wwn,
            model,
            size_bytes: disk.size_bytes,
            method: "overwrite".into(),
            ..pb::Wipe::default()
        };
        if !disk.excluded.is_empty() {
            let (ending, why) = ("spared".into(), disk.excluded.clone());
            return pb::Wipe { ending, why, method: String::new(), ..wipe };
        }
        if let Some(at) = self.rack.faults.disk_fails_at(&self.machine).filter(|at| *at < disk.size_bytes) {
            let why = format!("writing at byte {at}: Input/output error (os error 5)");
            return pb::Wipe { ending: "failed".into(), why, bytes: at, ..wipe };
        }
        let mut held_data = 0;
        if let Some(content) = self.machine.state().disks.get_mut(position) {
            held_data = if content.image.is_some() { 1 } else { 0 };
            *content = Content { writes: content.writes + 1, ..Content::default() };
        }
        let proof = pb::WipeProof {
            seed: self.order.seed,
            samples: SAMPLES,
            block_bytes: 4096,
            held_data,
            zeros: SAMPLES,
            ..pb::WipeProof::default()
        };
        let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let bytes = disk.size_bytes;
        pb::Wipe { ending: "wiped".into(), bytes, elapsed_ms, proof: Some(proof), ..wipe }
    }
}
