//! One object of many: its name, its state, and what troubles it. Kept for each object that is watched, so it is small.

use std::cmp::Ordering;

use underlay_proto::v1::{Condition, Meta, Standing};

use super::text::pattern;
use crate::output;

/// What is kept of an object.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// `NAME`, or `OWNER/NAME` where the owner is not `default`.
    pub name: String,
    /// The word for its state.
    pub phase: String,
    /// Is nothing under way?
    pub is_settled: bool,
    /// When it came into its state, in seconds since 1970.
    pub since: Option<i64>,
    /// What troubles it, or what it waits for.
    pub cause: Option<Cause>,
    /// How much of the present step is done, of how much.
    pub amount: Option<(u64, u64)>,
    /// The host it is on, for machines.
    pub host: Option<String>,
    /// What it may have in common with others: pool, image, labels.
    pub traits: Vec<(String, String)>,
}

/// Why an object is not at rest as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// How bad that is.
    pub class: Class,
    /// What failed: "writing the image"; empty where nothing did.
    pub step: String,
    /// The evidence, or what is waited for.
    pub why: String,
    /// What to do about it; empty where nothing is to be done.
    pub next: String,
}

/// How bad it is, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Nothing happens until somebody acts.
    Failed,
    /// It failed and is tried again.
    Retrying,
    /// Something beside its state is not as it should be.
    Condition,
    /// A brake holds it back.
    Held,
    /// It waits for the next thing to happen.
    Waiting,
}

impl Class {
    /// Does somebody have to look?
    pub fn is_trouble(self) -> bool {
        matches!(self, Class::Failed | Class::Retrying | Class::Condition)
    }
}

impl Cause {
    /// What failed and why, in a line.
    pub fn told(&self) -> String {
        if self.step.is_empty() { self.why.clone() } else { format!("{}: {}", self.step, self.why) }
    }
}

impl Row {
    /// What is kept of an object with that identity, standing and conditions.
    pub fn new(
        meta: Option<&Meta>,
        standing: Option<&Standing>,
        conditions: &[Condition],
        host: Option<&str>,
        traits: Vec<(String, String)>,
    ) -> Self {
        let standing = standing.cloned().unwrap_or_default();
        let caught_up = meta.is_none_or(|meta| meta.observed_generation >= meta.generation);
        let gone = meta.is_some_and(|meta| meta.deleted_at.is_some());
        Self {
            name: name(meta),
            is_settled: standing.settled && caught_up && !gone,
            since: standing.since.map(|since| since.seconds),
            cause: cause(&standing, conditions),
            amount: standing.amount.filter(|amount| amount.total > 0).map(|it| (it.done, it.total)),
            phase: output::or_dash(&standing.phase),
            host: host.map(str::to_owned),
            traits,
        }
    }

    /// What its cause is, but for names and numbers.
    pub fn pattern(&self) -> Option<(Class, String)> {
        let names = [self.name.as_str(), self.host.as_deref().unwrap_or_default()];
        self.cause.as_ref().map(|cause| (cause.class, pattern(&cause.told(), &names)))
    }

    /// Does somebody have to look at it?
    pub fn is_in_trouble(&self) -> bool {
        self.cause.as_ref().is_some_and(|cause| cause.class.is_trouble())
    }

    /// Worst first, then by name.
    pub fn by_urgency(&self, other: &Self) -> Ordering {
        let rank = |row: &Self| {
            (row.cause.as_ref().map_or(Class::Waiting as u8 + 1, |it| it.class as u8), row.is_settled)
        };
        rank(self).cmp(&rank(other)).then_with(|| natural(&self.name, &other.name))
    }
}

/// The name as it is written: `OWNER/NAME` where the owner is not `default`.
pub fn name(meta: Option<&Meta>) -> String {
    let key = meta.and_then(|meta| meta.key.clone()).unwrap_or_default();
    if key.owner == "default" || key.owner.is_empty() {
        key.name
    } else {
        format!("{}/{}", key.owner, key.name)
    }
}

fn cause(standing: &Standing, conditions: &[Condition]) -> Option<Cause> {
    let plain = |class, why: &str| {
        Some(Cause { class, step: String::new(), why: why.to_owned(), next: String::new() })
    };
    if let Some(failure) = &standing.failure {
        let class = if standing.settled { Class::Failed } else { Class::Retrying };
        // "machine web-0: writing the image": the object is known, the step is news.
        let step = failure.what.split_once(": ").map_or(failure.what.as_str(), |(_, step)| step);
        return Some(Cause {
            class,
            step: step.into(),
            why: failure.why.clone(),
            next: failure.next.clone(),
        });
    }
    if let Some(bad) = conditions.iter().find(|condition| !condition.good) {
        return plain(Class::Condition, &format!("{}: {}", bad.name, bad.reason));
    }
    match (&standing.held, standing.waiting_for.as_str()) {
        (_, "") => None,
        (Some(_), why) => plain(Class::Held, why),
        (None, why) => plain(Class::Waiting, why),
    }
}

/// Names as people count: `web-2` before `web-10`.
pub fn natural(one: &str, other: &str) -> Ordering {
    let (mut left, mut right) = (one, other);
    loop {
        let (a, b) = (left.chars().next(), right.chars().next());
        let (Some(a), Some(b)) = (a, b) else {
            return a.is_some().cmp(&b.is_some()).then_with(|| one.cmp(other));
        };
        if a.is_ascii_digit() && b.is_ascii_digit() {
            let ((a, rest_of_left), (b, rest_of_right)) = (number(left), number(right));
            match a.len().cmp(&b.len()).then_with(|| a.cmp(b)) {
                Ordering::Equal => (left, right) = (rest_of_left, rest_of_right),
                unequal => return unequal,
            }
        } else if a == b {
            (left, right) = (left.get(a.len_utf8()..).unwrap_or(""), right.get(b.len_utf8()..).unwrap_or(""));
        } else {
            return a.cmp(&b);
        }
    }
}

/// The digits it begins with, without leading zeros, and what follows.
fn number(text: &str) -> (&str, &str) {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    (digits.trim_start_matches('0'), rest)
}
