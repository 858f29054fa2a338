//! One disk: method after method, until one is proven.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use underlay_core::{
    agent::Disk as Facts,
    cleaning::{Ending, Method, Policy, Proof, Wipe},
};

use super::{
    drive::Drive,
    sample::{Error, Samples, objection},
};
use crate::deploy::buffer::Buffer;

/// How much is overwritten in one call.
const PIECE: usize = 4 << 20;
/// How much of both ends a quick wipe overwrites: partition tables, boot loaders, the heads of file systems and the tails
/// that RAID and GPT leave.
const ENDS: u64 = 16 << 20;

/// What is known before anything was done to it.
pub fn untouched(facts: &Facts, ending: Ending) -> Wipe {
    Wipe {
        disk: facts.name.clone(),
        serial: facts.serial.clone(),
        wwn: facts.wwn.clone(),
        model: facts.model.clone(),
        size: facts.size,
        ending,
        method: None,
        passed_over: Vec::new(),
        bytes: 0,
        elapsed_ms: 0,
        proof: None,
    }
}

/// Wipes the disk; `done` counts its bytes.
pub fn wipe(drive: &dyn Drive, facts: &Facts, policy: Policy, seed: u64, done: &AtomicU64) -> Wipe {
    let began = Instant::now();
    let size = drive.disk().size();
    let (methods, passed_over) = methods(drive, policy);
    let mut wipe = untouched(facts, Ending::Failed { why: "nothing was tried".into() });
    wipe.passed_over = passed_over.into_iter().map(|(method, why)| told(method, &why)).collect();
    for method in methods {
        if let Ending::Failed { why } = &wipe.ending
            && let Some(before) = wipe.method
        {
            wipe.passed_over.push(told(before, why));
        }
        wipe.method = Some(method);
        done.store(0, Ordering::Relaxed);
        match attempt(drive, method, seed, done) {
            Ok(proof) => {
                wipe.bytes =
                    if method == Method::Quick { ends(size).iter().map(|(a, b)| b - a).sum() } else { size };
                wipe.ending = match objection(method, &proof) {
                    None => Ending::Wiped,
                    Some(why) => Ending::Failed { why },
                };
                wipe.proof = Some(proof);
            }
            Err(why) => {
                wipe.bytes = done.load(Ordering::Relaxed);
                wipe.ending = Ending::Failed { why };
                wipe.proof = None;
            }
        }
        if wipe.ending == Ending::Wiped {
            break;
        }
    }
    done.store(size, Ordering::Relaxed);
    wipe.elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    wipe
}

fn told(method: Method, why: &str) -> String {
    format!("{}: {why}", method.word())
}

/// What is tried, in order, and what is not.
fn methods(drive: &dyn Drive, policy: Policy) -> (Vec<Method>, Vec<(Method, String)>) {
    match policy {
        Policy::None => (Vec::new(), Vec::new()),
        Policy::Quick => (vec![Method::Quick], Vec::new()),
        Policy::Overwrite => (vec![Method::Overwrite], Vec::new()),
        Policy::Best => {
            let (mut has, lacks) = drive.methods();
            has.push(Method::Overwrite);
            (has, lacks)
        }
    }
}

fn attempt(drive: &dyn Drive, method: Method, seed: u64, done: &AtomicU64) -> Result<Proof, String> {
    let words = |error: Error| error.to_string();
    let size = drive.disk().size();
    let covered = if method == Method::Quick { ends(size) } else { vec![(0, size)] };
    let samples = Samples::take(drive, seed, &covered).map_err(words)?;
    samples.mark(drive).map_err(words)?;
    match method {
        Method::Overwrite => zero(drive, &covered, done)?,
        Method::Quick => {
            drive.discard(0, size);
            zero(drive, &covered, done)?;
        }
        _ => drive.erase(method)?,
    }
    samples.prove(drive).map_err(words)
}

/// The two ends of a disk; all of a small one.
fn ends(size: u64) -> Vec<(u64, u64)> {
    if size <= 2 * ENDS { vec![(0, size)] } else { vec![(0, ENDS), (size - ENDS, size)] }
}

/// Writes zeros, not a command that may mean the same: whoever asks for an overwrite gets one.
fn zero(drive: &dyn Drive, ranges: &[(u64, u64)], done: &AtomicU64) -> Result<(), String> {
    let (disk, zeros) = (drive.disk(), Buffer::new(PIECE));
    for (begin, end) in ranges {
        let mut at = *begin;
        while at < *end {
            let piece = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
            disk.write(at, zeros.head(piece)).map_err(|error| format!("writing at byte {at}: {error}"))?;
            at += piece as u64;
            done.fetch_add(piece as u64, Ordering::Relaxed);
        }
    }
    disk.sync().map_err(|error| format!("flushing it: {error}"))
}

#[cfg(test)]
mod tests;
