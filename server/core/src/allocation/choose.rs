//! Who gets which host: oldest want first, each the host that wastes least, set apart as its spread says.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{Candidate, Misfit, fits};
use crate::{
    Bytes, Name, ObjectId,
    machine::{Require, Spread, SpreadMode},
};

/// How many hosts that do not fit are named.
const NEAREST: usize = 3;

/// A machine that wants a host.
#[derive(Clone, Debug)]
pub struct Want<'a> {
    /// The machine.
    pub machine: ObjectId,
    /// Its owner.
    pub owner: &'a Name,
    /// Its name.
    pub name: &'a Name,
    /// What the host must be.
    pub require: &'a Require,
    /// How it stands apart from its group.
    pub spread: Option<&'a Spread>,
}

/// A machine that has a host, or is to have it.
#[derive(Clone, Debug)]
pub struct Placed<'a> {
    /// Its owner.
    pub owner: &'a Name,
    /// Its name.
    pub name: &'a Name,
    /// How it stands apart from its group, where it does.
    pub spread: Option<&'a Spread>,
    /// The host it has.
    pub host: ObjectId,
}

/// What a want comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// This host.
    Host(ObjectId),
    /// None of them now.
    None(Nothing),
}

/// Why no host can be had.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Nothing {
    /// Hosts of the pool.
    pub hosts: usize,
    /// Of these, hosts that fit but cannot be had, by what stands in the way.
    pub busy: BTreeMap<&'static str, usize>,
    /// Hosts that are free and fit, but stand where one of the group stands already.
    pub crowded: usize,
    /// The free hosts that come nearest, and what they lack.
    pub nearest: Vec<(Name, Vec<Misfit>)>,
}

/// The group a machine belongs to: owner, group, label.
type Group<'a> = (&'a Name, &'a str, &'a str);

/// Answers every want, in the order given. A host that is given to one is not given to another.
pub fn choose(wants: &[Want<'_>], candidates: &[Candidate], placed: &[Placed<'_>]) -> Vec<Answer> {
    let labels: BTreeMap<ObjectId, &Candidate> = candidates.iter().map(|host| (host.id, host)).collect();
    let mut stands: BTreeMap<Group<'_>, BTreeMap<&str, usize>> = BTreeMap::new();
    let mut given: BTreeSet<ObjectId> = placed.iter().map(|machine| machine.host).collect();
    for machine in placed {
        let Some(spread) = machine.spread else { continue };
        let label = spread.label.as_str();
        let value = labels.get(&machine.host).and_then(|host| host.labels.get(label));
        if let Some(value) = value {
            let group = (machine.owner, spread.group(machine.name.as_str()), label);
            *stands.entry(group).or_default().entry(value).or_default() += 1;
        }
    }
    let mut answers = Vec::with_capacity(wants.len());
    for want in wants {
        let group =
            want.spread.map(|spread| (want.owner, spread.group(want.name.as_str()), spread.label.as_str()));
        let values = group.and_then(|group| stands.get(&group)).cloned().unwrap_or_default();
        let answer = answer(want, candidates, &given, &values);
        if let Answer::Host(id) = answer {
            given.insert(id);
            let value = group.and_then(|group| labels.get(&id)?.labels.get(group.2));
            if let (Some(group), Some(value)) = (group, value) {
                *stands.entry(group).or_default().entry(value).or_default() += 1;
            }
        }
        answers.push(answer);
    }
    answers
}

fn answer(
    want: &Want<'_>,
    candidates: &[Candidate],
    given: &BTreeSet<ObjectId>,
    values: &BTreeMap<&str, usize>,
) -> Answer {
    let mut nothing = Nothing { hosts: candidates.len(), ..Nothing::default() };
    let mut best: Option<(Rank<'_>, ObjectId)> = None;
    let mut misfits: Vec<(&Candidate, Vec<Misfit>)> = Vec::new();
    for host in candidates {
        let lacks = fits(want.require, host);
        let obstacle = if given.contains(&host.id) { Some("claimed") } else { host.availability.obstacle() };
        match (lacks.is_empty(), obstacle) {
            (true, Some(obstacle)) => *nothing.busy.entry(obstacle).or_default() += 1,
            (false, None) => misfits.push((host, lacks)),
            (false, Some(_)) => {}
            (true, None) => {
                let neighbours = want.spread.map_or(0, |spread| crowd(spread, host, values));
                if neighbours > 0 && want.spread.is_some_and(|spread| spread.mode == SpreadMode::Require) {
                    nothing.crowded += 1;
                    continue;
                }
                let rank = (neighbours, waste(host), &host.owner, &host.name);
                if best.as_ref().is_none_or(|(least, _)| rank < *least) {
                    best = Some((rank, host.id));
                }
            }
        }
    }
    if let Some((_, id)) = best {
        return Answer::Host(id);
    }
    misfits.sort_by_key(|(host, lacks)| (lacks.len(), Reverse(waste(host)), &host.name));
    let nearest = misfits.into_iter().take(NEAREST);
    nothing.nearest = nearest.map(|(host, lacks)| (host.name.clone(), lacks)).collect();
    Answer::None(nothing)
}

/// How good a host is for a want, best first.
type Rank<'a> = (usize, Waste, &'a Name, &'a Name);
/// GPUs, memory, CPUs, disk space of a host: what a want that needs less would waste. What is not known wastes nothing.
type Waste = (u32, Bytes, u32, u64);

fn waste(host: &Candidate) -> Waste {
    let facts = &host.facts;
    let disks = facts.disks.iter().flatten().fold(0_u64, |sum, (_, size)| sum.saturating_add(size.0));
    (facts.gpus.unwrap_or(0), facts.memory.unwrap_or_default(), facts.cpus.unwrap_or(0), disks)
}

/// How many of the group stand where `host` stands. A host without the label stands alone.
fn crowd(spread: &Spread, host: &Candidate, values: &BTreeMap<&str, usize>) -> usize {
    host.labels.get(&spread.label).and_then(|value| values.get(value.as_str())).copied().unwrap_or(0)
}

impl std::fmt::Display for Nothing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.hosts == 0 {
            return f.write_str("it has no hosts");
        }
        write!(f, "none of its {} hosts can be had", self.hosts)?;
        for (obstacle, count) in &self.busy {
            write!(f, "; {count} would fit and are {obstacle}")?;
        }
        if self.crowded > 0 {
            write!(f, "; {} would fit but stand where another of the group stands", self.crowded)?;
        }
        for (name, misfits) in &self.nearest {
            let lacks: Vec<_> = misfits.iter().map(ToString::to_string).collect();
            write!(f, "; {name}: {}", lacks.join(", "))?;
        }
        Ok(())
    }
}
