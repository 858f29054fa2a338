//! Does one host meet one need, and if not, in what does it fall short?

use std::fmt;

use super::Candidate;
use crate::{
    Bytes,
    host::Facts,
    machine::{DiskNeed, Require},
};

/// In what a host falls short of a need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The predicate, as the attribute of `require` says it: `cpus`, `labels.rack`.
    pub predicate: String,
    /// What is needed.
    pub needs: String,
    /// What the host has.
    pub has: String,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, {} needed", self.predicate, self.has, self.needs)
    }
}

/// What nobody has told yet.
const UNKNOWN: &str = "not known yet (no agent has been there)";

/// Every way in which `candidate` falls short of `require`; none when it fits.
pub fn fits(require: &Require, candidate: &Candidate) -> Vec<Misfit> {
    let facts = &candidate.facts;
    let mut misfits = Vec::new();
    let mut miss = |predicate: String, needs: String, has: Option<String>| {
        let has = has.unwrap_or_else(|| UNKNOWN.into());
        misfits.push(Misfit { predicate, needs, has });
    };
    for (label, wanted) in &require.labels {
        let has = candidate.labels.get(label);
        if has != Some(wanted) {
            let has = has.map_or_else(|| "not set".into(), |value| format!("\"{value}\""));
            miss(format!("labels.{label}"), format!("\"{wanted}\""), Some(has));
        }
    }
    if let Some(arch) = require.arch.as_ref().filter(|arch| facts.arch.as_ref() != Some(arch)) {
        miss("arch".into(), arch.clone(), facts.arch.clone());
    }
    if let Some(cpus) = require.cpus.filter(|cpus| facts.cpus.is_none_or(|has| has < *cpus)) {
        miss("cpus".into(), cpus.to_string(), facts.cpus.map(|has| has.to_string()));
    }
    if let Some(memory) = require.memory.filter(|memory| facts.memory.is_none_or(|has| has < *memory)) {
        miss("memory".into(), memory.to_string(), facts.memory.map(|has| has.to_string()));
    }
    if let Some(gpus) = require.gpus.filter(|gpus| facts.gpus.is_none_or(|has| has < *gpus)) {
        miss("gpus".into(), gpus.to_string(), facts.gpus.map(|has| has.to_string()));
    }
    if let Some(short) = short_of_disks(&require.disks, facts) {
        miss("disks".into(), short, facts.disks.as_deref().map(list));
    }
    misfits
}

/// The first entry of `needs` for which no disks are left. The largest needs take the smallest disks that will do, so
/// that a disk is never wasted on a need that another could meet.
fn short_of_disks(needs: &[DiskNeed], facts: &Facts) -> Option<String> {
    let mut left = facts.disks.clone().unwrap_or_default();
    left.sort_by_key(|(_, size)| *size);
    let mut needs: Vec<&DiskNeed> = needs.iter().collect();
    needs.sort_by_key(|need| (need.kind.is_none(), std::cmp::Reverse(need.min_size)));
    for need in needs {
        for _ in 0..need.count {
            let will_do = left.iter().position(|(kind, size)| {
                need.kind.as_ref().is_none_or(|wanted| wanted == kind)
                    && need.min_size.is_none_or(|least| *size >= least)
            });
            match will_do {
                Some(at) => left.remove(at),
                None => return Some(describe(need)),
            };
        }
    }
    None
}

fn describe(need: &DiskNeed) -> String {
    let kind = need.kind.as_deref().unwrap_or("any");
    let size = need.min_size.map(|size| format!(" of at least {size}")).unwrap_or_default();
    format!("{} x {kind}{size}", need.count)
}

fn list(disks: &[(String, Bytes)]) -> String {
    if disks.is_empty() {
        return "none".into();
    }
    let shown: Vec<_> = disks.iter().take(8).map(|(kind, size)| format!("{kind} {size}")).collect();
    shown.join(", ")
}
