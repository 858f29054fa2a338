//! Operations, history and evidence, spelled for readers.

use underlay_core::{
    Key,
    agent::Stage,
    bmc::Power,
    host::Wish,
    observation::{Body, Observation},
    resident::Line,
    step,
};
use underlay_proto::v1 as pb;
use underlay_store::{Record, event, operation};

use super::object;

/// Spells an operation on the object of that key.
pub(crate) fn operation(operation: &operation::Operation, key: Option<&Key>) -> pb::Operation {
    pb::Operation {
        id: operation.id.to_string(),
        kind: operation.kind.to_string(),
        object_id: operation.object.to_string(),
        key: key.map(object::key_message),
        verb: operation.verb.to_string(),
        generation: operation.generation,
        started_at: Some(object::timestamp(operation.started_at)),
        finished_at: operation.finished_at.map(object::timestamp),
        failure: operation.failure.as_ref().map(object::failure),
        steps: operation.steps.iter().map(step).collect(),
    }
}

fn step(step: &operation::OperationStep) -> pb::Passage {
    pb::Passage {
        phase: step.phase.clone(),
        entered_at: Some(object::timestamp(step.entered_at)),
        left_at: step.left_at.map(object::timestamp),
        note: step.note.clone(),
    }
}

/// Spells how an object of any kind stands.
pub(crate) fn standing(record: &Record) -> pb::Standing {
    object::standing_of(&record.raw.progress, &record.phase, record.settled)
}

/// Spells a line of history.
pub(crate) fn event(event: &event::Event) -> pb::Event {
    pb::Event {
        at: Some(object::timestamp(event.at)),
        phase: event.phase.clone(),
        text: event.text.clone(),
        decided_at: event.decided_at.clone(),
    }
}

/// Puts an observation into words.
pub(crate) fn evidence(seen: &Observation) -> pb::Evidence {
    pb::Evidence {
        source: seen.source.as_str().to_owned(),
        at: Some(object::timestamp(seen.at)),
        text: words(&seen.body),
    }
}

fn words(body: &Body) -> String {
    match body {
        Body::Inventory { epoch, inventory } => format!(
            "the agent of boot {epoch} found {} CPUs, {} of memory, {} disks and {} NICs",
            inventory.cpus,
            inventory.memory,
            inventory.disks.len(),
            inventory.nics.len()
        ),
        Body::Report(report) => stage(&report.stage),
        Body::PhoneHome { epoch, address, .. } => {
            format!("the system installed by deployment {epoch} called from {address}")
        }
        Body::Boot { what } => what.clone(),
        Body::Unproven { why, .. } => {
            format!("the TPM of who brought its token does not vouch for the agent: {why}")
        }
        Body::Intruder { epoch, key, address } => {
            let key = key.get(..16).unwrap_or(key);
            format!("{address} tried to redeem the token of boot {epoch} with a second key ({key}..)")
        }
        Body::Accused { machine, failure } => {
            format!("machine {machine} failed by its fault: {}", failure.why)
        }
        Body::Confirmed { power: Power::On, by, .. } => format!("{by} says that it is on"),
        Body::Confirmed { by, .. } => format!("{by} says that it is off"),
        Body::Wished { wish: Wish::Quarantine { reason }, by, .. } => {
            format!("{by} wants it out of use: {reason}")
        }
        Body::Wished { wish: Wish::Reinspect, by, .. } => format!("{by} wants it looked at anew"),
        Body::Wished { wish: Wish::Repair, by, .. } => format!("{by} wants it repaired"),
        Body::Segment { strangers } => format!("{} other DHCP servers heard", strangers.len()),
        Body::Waiting { boot_mac, inventory, .. } => format!(
            "an agent waits in its RAM, booted over {boot_mac}: {} CPUs, {} of memory, {} disks",
            inventory.cpus,
            inventory.memory,
            inventory.disks.len()
        ),
        Body::Left => "no agent waits in its RAM".into(),
        Body::Resembles { why } => format!("another machine reports: {why}"),
        Body::Distinct => "no other machine reports as it".into(),
        Body::Import { read, total: 0 } => format!("{read} bytes of the source are read"),
        Body::Resident { line, system, .. } => {
            let os = system.os.as_deref().unwrap_or("an unknown system");
            let line = match line {
                Line::Open => "is on the line",
                Line::Closed => "is not on the line any more",
            };
            format!("the agent that lives on it ({os}) {line}")
        }
        Body::Step(ended) => {
            let (attempt, when) = (ended.ticket.attempt, ended.ticket.when.as_str());
            match &ended.result {
                step::Result::Done { .. } => format!("try {attempt} of a step of {when} went well"),
                step::Result::Failed { why } => format!("try {attempt} of a step of {when} failed: {why}"),
            }
        }
        Body::Import { read, total } => format!("{read} of {total} bytes of the source are read"),
    }
}

fn stage(stage: &Stage) -> String {
    match stage {
        Stage::Checking => "the agent checks which machine and which disk it has".into(),
        Stage::Writing { disk, done, total } => {
            format!("the agent has dealt with {done} of {total} bytes on {disk}")
        }
        Stage::Finishing => "the image is on the disk and verified; the agent writes the seed".into(),
        Stage::Written { disk, written, elapsed_ms, .. } => {
            format!("the agent wrote {written} bytes to {disk} in {} ms", elapsed_ms)
        }
        Stage::Wiping { done, total, .. } => format!("the agent has wiped {done} of {total} bytes"),
        Stage::Wiped { disks } => format!("the agent is done with wiping {} disks", disks.len()),
        Stage::Failed { failure, .. } => format!("the agent failed: {failure}"),
    }
}
