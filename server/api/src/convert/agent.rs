//! Reports of an agent, read with bounds; orders for an agent, spelled.

use underlay_core::{
    ErrorKind, Failure, FieldError,
    agent::{Assignment, Deploy, Leave, Report, Stage, Task, Touched},
    resident::Written,
    seed::{self, Seed},
};
use underlay_proto::v1 as pb;

use super::{cleaning, faults::Faults, machine};

/// The longest part of a failure that an agent may report, in bytes.
const FAILURE: usize = 2048;

/// Reads a report.
///
/// # Errors
/// A fault where a text is out of bounds or no stage is given.
pub(crate) fn report(message: pb::Report) -> Result<Report, Vec<FieldError>> {
    use pb::report::Stage as Wire;
    let mut faults = Faults::default();
    let stage = match message.stage {
        Some(Wire::Checking(_)) => Some(Stage::Checking),
        Some(Wire::Writing(writing)) => Some(Stage::Writing {
            disk: faults.text("report.disk", writing.disk, 64),
            done: writing.done.min(writing.total),
            total: writing.total,
        }),
        Some(Wire::Finishing(_)) => Some(Stage::Finishing),
        Some(Wire::Written(written)) => Some(Stage::Written {
            disk: faults.text("report.disk", written.disk, 64),
            written: written.written,
            elapsed_ms: written.elapsed_ms,
            peak_memory: written.peak_memory,
        }),
        Some(Wire::Wiping(wiping)) => Some(Stage::Wiping {
            done: wiping.done.min(wiping.total),
            total: wiping.total,
            seconds: wiping.seconds,
        }),
        Some(Wire::Wiped(wiped)) => Some(Stage::Wiped { disks: cleaning::wipes(&mut faults, wiped.disks) }),
        Some(Wire::Failed(failed)) => Some(failure(&mut faults, failed)),
        None => {
            faults.add("report.stage", "is missing");
            None
        }
    };
    faults.into_result(stage.map(|stage| Report { epoch: message.epoch, stage }))
}

fn failure(faults: &mut Faults, message: pb::report::Failed) -> Stage {
    let failure = message.failure.unwrap_or_default();
    let kind = match failure.kind() {
        pb::failure::Kind::Transient => ErrorKind::Transient,
        pb::failure::Kind::Invalid => ErrorKind::Invalid,
        pb::failure::Kind::Permanent | pb::failure::Kind::Unspecified => ErrorKind::Permanent,
    };
    let mut part = |name: &str, text: String| {
        faults.text(&format!("report.failure.{name}"), text.replace('\n', " "), FAILURE)
    };
    let failure = Failure {
        kind,
        what: part("what", failure.what),
        why: part("why", failure.why),
        done: part("done", failure.done),
        next: part("next", failure.next),
        blames_host: message.blames_host,
        attribute: Some(part("attribute", failure.attribute)).filter(|text| !text.is_empty()),
    };
    let touched_disk = if message.touched_disk { Touched::Yes } else { Touched::No };
    Stage::Failed { failure, touched_disk }
}

/// How an agent takes a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// With its empty sectors, as agents of releases before.
    Whole,
    /// Without.
    Runs,
}

/// Spells an order.
pub(crate) fn order(assignment: &Assignment, takes: Takes) -> pb::Order {
    use pb::order::Task as Wire;
    let task = match &assignment.task {
        // Attributes are for the agent that lives on a system; one in RAM has nothing to do with them.
        Task::Stay | Task::Attributes(_) => Wire::Stay(pb::order::Stay {}),
        Task::Deploy(work) => Wire::Deploy(deploy(work, takes)),
        Task::Clean(clean) => Wire::Clean(cleaning::order(clean)),
        Task::Leave(how) => Wire::Leave(leave(*how).into()),
    };
    pb::Order { epoch: assignment.epoch, task: Some(task) }
}

/// Spells attributes for the agent that lives on a system; none where nothing is assigned.
pub(crate) fn attributes(assignment: Option<&Assignment>) -> pb::resident_order::Attributes {
    let Some(Assignment { task: Task::Attributes(attributes), .. }) = assignment else {
        return pb::resident_order::Attributes::default();
    };
    let files = attributes.files.iter().map(|file| pb::resident_order::File {
        path: file.path.clone(),
        content: file.content.0.clone().into_bytes(),
        mode: file.mode.clone(),
        owner: file.owner.clone(),
    });
    pb::resident_order::Attributes { fingerprint: attributes.fingerprint.clone(), files: files.collect() }
}

/// Reads what it says of those that it wrote.
///
/// # Errors
/// Each text that is out of bounds.
pub(crate) fn written(message: pb::WrittenAttributes) -> Result<Written, Vec<FieldError>> {
    let mut faults = Faults::default();
    let fingerprint = faults.text("written.fingerprint", message.fingerprint, 128);
    let failure = faults.optional("written.failure", message.failure);
    faults.into_result(Some(Written { fingerprint, failure }))
}

fn leave(leave: Leave) -> pb::Leave {
    match leave {
        Leave::Reboot => pb::Leave::Reboot,
        Leave::PowerOff => pb::Leave::PowerOff,
        Leave::Kexec => pb::Leave::Kexec,
    }
}

fn deploy(work: &Deploy, takes: Takes) -> pb::Deploy {
    let (seed, seed_runs) = match takes {
        Takes::Whole => (work.seed.bytes(), None),
        Takes::Runs => (Vec::new(), Some(runs(&work.seed))),
    };
    let root = machine::root_message(&work.root);
    pb::Deploy {
        expected_serial: work.identity.serial.clone().unwrap_or_default(),
        expected_uuid: work.identity.uuid.clone().unwrap_or_default(),
        expected_mac: work.identity.mac.map(|mac| mac.to_string()).unwrap_or_default(),
        root_kind: root.kind,
        root_min_size_bytes: root.min_size_bytes,
        root_serial: root.serial,
        root_wwn: root.wwn,
        root_by_path: root.by_path,
        manifest_path: work.manifest_path.clone(),
        data_path: work.data_path.clone(),
        manifest_digest: work.manifest_digest.clone(),
        virtual_size: work.virtual_size.0,
        seed,
        seed_runs,
    }
}

fn runs(seed: &Seed) -> pb::SeedRuns {
    let run = |run: &seed::Run| pb::seed_runs::Run { begin: run.begin as u64, data: run.bytes.clone() };
    pb::SeedRuns { length: seed.len() as u64, runs: seed.runs().iter().map(run).collect() }
}
