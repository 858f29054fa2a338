//! What became of disks: read from an agent, with bounds; spelled for readers and for agents.

use underlay_core::{
    Bytes,
    cleaning::{Clean, DISKS, Ending, Method, Proof, Reason, Record, SAMPLES, Wipe},
};
use underlay_proto::v1 as pb;

use super::{faults::Faults, object};

/// The longest reason, in bytes.
const WHY: usize = 1024;
/// The most methods that were passed over.
const PASSED_OVER: usize = 16;

/// Reads what an agent says of the disks it wiped.
pub(crate) fn wipes(faults: &mut Faults, messages: Vec<pb::Wipe>) -> Vec<Wipe> {
    if messages.len() > DISKS {
        faults.add("report.disks", format!("has more than {DISKS} entries"));
        return Vec::new();
    }
    messages.into_iter().map(|message| wipe(faults, message)).collect()
}

fn wipe(faults: &mut Faults, message: pb::Wipe) -> Wipe {
    let at = "report.disks";
    let why = faults.text(at, message.why.replace('\n', " "), WHY);
    let ending = match message.ending.as_str() {
        "wiped" => Ending::Wiped,
        "spared" => Ending::Spared { why },
        "failed" => Ending::Failed { why },
        // An agent that does not say so has not wiped it.
        _ => Ending::Failed { why: "the agent does not say how it ended".into() },
    };
    if message.passed_over.len() > PASSED_OVER {
        faults.add(at, format!("passes over more than {PASSED_OVER} methods"));
    }
    let passed_over = message.passed_over.into_iter().take(PASSED_OVER);
    let passed_over = passed_over.map(|text| faults.text(at, text.replace('\n', " "), WHY)).collect();
    let mut method = None;
    if !message.method.is_empty() {
        method = Some(faults.word(at, &message.method, &Method::WORDS, Method::Overwrite));
    }
    let proof = message.proof.map(|message| proof(faults, message));
    let ending = match (ending, &proof, method) {
        (Ending::Wiped, Some(proof), Some(_)) if proof.samples > 0 && proof.kept == 0 => Ending::Wiped,
        (Ending::Wiped, ..) => Ending::Failed { why: "the agent brings no proof of it".into() },
        (other, ..) => other,
    };
    Wipe {
        disk: faults.text(at, message.disk, 64),
        serial: faults.optional(at, message.serial),
        wwn: faults.optional(at, message.wwn),
        model: faults.optional(at, message.model),
        size: Bytes(message.size_bytes),
        ending,
        method,
        passed_over,
        bytes: message.bytes,
        elapsed_ms: message.elapsed_ms,
        proof,
    }
}

fn proof(faults: &mut Faults, message: pb::WipeProof) -> Proof {
    let at = "report.disks.proof";
    let mut digest = |text: String| {
        if text.bytes().any(|byte| !byte.is_ascii_hexdigit()) {
            faults.add(at, "has a digest that is not hex");
        }
        faults.text(at, text, 64)
    };
    let (before, after) = (digest(message.before), digest(message.after));
    if message.samples > SAMPLES {
        faults.add(at, format!("tells of more than {SAMPLES} blocks"));
    }
    Proof {
        seed: message.seed,
        samples: message.samples,
        block: message.block_bytes,
        held_data: message.held_data,
        zeros: message.zeros,
        changed: message.changed,
        kept: message.kept,
        before,
        after,
    }
}

/// Spells the order to wipe.
pub(crate) fn order(clean: &Clean) -> pb::Clean {
    pb::Clean {
        expected_serial: clean.identity.serial.clone().unwrap_or_default(),
        expected_uuid: clean.identity.uuid.clone().unwrap_or_default(),
        expected_mac: clean.identity.mac.map(|mac| mac.to_string()).unwrap_or_default(),
        policy: clean.policy.word().to_owned(),
        seed: clean.seed,
    }
}

/// Spells a record.
pub(crate) fn message(record: &Record) -> pb::Cleaning {
    let reason = match record.reason {
        Reason::Released => "released",
        Reason::Repair => "repair",
    };
    pb::Cleaning {
        at: Some(object::timestamp(record.at)),
        reason: reason.to_owned(),
        policy: record.policy.word().to_owned(),
        disks: record.disks.iter().map(wipe_message).collect(),
    }
}

fn wipe_message(wipe: &Wipe) -> pb::Wipe {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (ending, why) = match &wipe.ending {
        Ending::Wiped => ("wiped", ""),
        Ending::Spared { why } => ("spared", why.as_str()),
        Ending::Failed { why } => ("failed", why.as_str()),
    };
    pb::Wipe {
        disk: wipe.disk.clone(),
        serial: text(&wipe.serial),
        wwn: text(&wipe.wwn),
        model: text(&wipe.model),
        size_bytes: wipe.size.0,
        ending: ending.to_owned(),
        why: why.to_owned(),
        method: wipe.method.map(Method::word).unwrap_or_default().to_owned(),
        passed_over: wipe.passed_over.clone(),
        bytes: wipe.bytes,
        elapsed_ms: wipe.elapsed_ms,
        proof: wipe.proof.as_ref().map(|proof| pb::WipeProof {
            seed: proof.seed,
            samples: proof.samples,
            block_bytes: proof.block,
            held_data: proof.held_data,
            zeros: proof.zeros,
            changed: proof.changed,
            kept: proof.kept,
            before: proof.before.clone(),
            after: proof.after.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wiped() -> pb::Wipe {
        pb::Wipe {
            disk: "sda".into(),
            ending: "wiped".into(),
            method: "overwrite".into(),
            proof: Some(pb::WipeProof { samples: 8, zeros: 8, ..Default::default() }),
            ..Default::default()
        }
    }

    fn read(message: pb::Wipe) -> Wipe {
        let mut faults = Faults::default();
        let read = wipes(&mut faults, vec![message]).remove(0);
        faults.into_result(Some(read)).expect("within bounds")
    }

    #[test]
    fn a_wipe_counts_as_one_only_with_its_proof() {
        assert_eq!(read(wiped()).ending, Ending::Wiped);
        let kept = pb::WipeProof { samples: 8, zeros: 7, kept: 1, ..Default::default() };
        for doubtful in [
            pb::Wipe { proof: None, ..wiped() },
            pb::Wipe { proof: Some(pb::WipeProof::default()), ..wiped() },
            pb::Wipe { proof: Some(kept), ..wiped() },
            pb::Wipe { method: String::new(), ..wiped() },
            pb::Wipe { ending: "fine".into(), ..wiped() },
        ] {
            assert!(matches!(read(doubtful).ending, Ending::Failed { .. }));
        }
    }

    #[test]
    fn an_agent_that_says_too_much_is_refused() {
        let refused = |messages: Vec<pb::Wipe>| {
            let mut faults = Faults::default();
            let _ = wipes(&mut faults, messages);
            faults.into_result(Some(())).is_err()
        };
        assert!(refused(vec![wiped(); DISKS + 1]));
        assert!(refused(vec![pb::Wipe { why: "x".repeat(WHY + 1), ..wiped() }]));
        assert!(refused(vec![pb::Wipe { method: "by hand".into(), ..wiped() }]));
        assert!(refused(vec![pb::Wipe { passed_over: vec!["x".into(); PASSED_OVER + 1], ..wiped() }]));
        let proof = pb::WipeProof { samples: SAMPLES + 1, after: "no hex".into(), ..Default::default() };
        assert!(refused(vec![pb::Wipe { proof: Some(proof), ..wiped() }]));
        assert!(!refused(vec![wiped(); DISKS]));
    }
}
