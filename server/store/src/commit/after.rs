//! What a decision makes of an object: its state, its standing, and when to look again. Pure.
//!
//! `since` moves when the state changes. `evidence_at` moves when something was seen to move: the state, what is waited
//! for, how much is done, or an observation that says something new.

use std::time::Duration;

use jiff::Timestamp;
use underlay_core::Standing;

use super::{Base, Commit, Decision, Entered};

/// How long an object rests that advances into the state it is in: a controller that does so is wrong, but must not
/// spin.
const IDLE_ADVANCE: Duration = Duration::from_secs(1);

/// An object after a step.
pub(super) struct After {
    pub(super) entered: Entered,
    pub(super) standing: Standing,
    pub(super) observed_generation: i64,
    pub(super) next_run_at: Option<Timestamp>,
    changes_status: bool,
    is_gone: bool,
}

impl After {
    pub(super) fn of(commit: &Commit<'_>) -> Self {
        let (base, now) = (commit.base, commit.now);
        let raw = &base.record.raw;
        let current = Entered {
            state: raw.state.clone(),
            phase: base.record.phase.clone(),
            settled: base.record.settled,
        };
        let entered = match &commit.decision {
            Decision::Advance(next) | Decision::Failed { next, .. } => next.clone(),
            Decision::Gone => Entered { phase: "gone".into(), settled: true, ..current.clone() },
            _ => current.clone(),
        };
        let moved = entered != current;
        let at = |delay: Duration| now.checked_add(delay).unwrap_or(Timestamp::MAX);
        let next_run_at = match &commit.decision {
            Decision::Wait { again, .. } | Decision::Held { again, .. } | Decision::Retry { again, .. } => {
                Some(at(*again))
            }
            Decision::Advance(_) if moved => Some(now),
            Decision::Advance(_) => Some(at(IDLE_ADVANCE)),
            Decision::Done { audit: again } | Decision::Failed { again, .. } => again.map(at),
            Decision::Gone => None,
        };
        let observed_generation = match &commit.decision {
            Decision::Done { .. } | Decision::Failed { .. } | Decision::Gone => raw.meta.generation,
            _ => raw.meta.observed_generation,
        };
        Self {
            standing: standing(commit, moved),
            entered,
            observed_generation,
            next_run_at,
            changes_status: commit.status.as_ref().is_some_and(|status| *status != raw.status),
            is_gone: commit.decision == Decision::Gone,
        }
    }

    /// Is there anything to write but the queue row?
    pub(super) fn changes(&self, base: &Base) -> bool {
        let record = &base.record;
        self.is_gone
            || self.changes_status
            || self.moved(base)
            || self.observed_generation != record.raw.meta.observed_generation
            || !same(&self.standing, &record.raw.progress)
    }

    /// Would another object's controller want to know?
    pub(super) fn matters_to_others(&self, base: &Base) -> bool {
        let record = &base.record;
        self.entered.phase != record.phase
            || self.entered.settled != record.settled
            || self.observed_generation != record.raw.meta.observed_generation
            || self.standing.failure.is_some() != record.raw.progress.failure.is_some()
    }

    /// The line of history this step deserves, if it does.
    pub(super) fn news(&self, commit: &Commit<'_>) -> Option<String> {
        let before = &commit.base.record.raw.progress;
        match &commit.decision {
            Decision::Wait { reason, .. } => {
                (before.waiting_for.as_ref() != Some(reason)).then(|| format!("waits: {reason}"))
            }
            Decision::Held { brake, .. } => {
                (before.held.as_ref() != Some(brake)).then(|| format!("waits: {brake}"))
            }
            Decision::Advance(next) => self.moved(commit.base).then(|| format!("enters {}", next.phase)),
            Decision::Done { .. } => self.matters_to_others(commit.base).then(|| "done".into()),
            Decision::Failed { failure, .. } => {
                (before.failure.as_ref() != Some(failure)).then(|| format!("failed: {failure}"))
            }
            Decision::Gone => Some("gone".into()),
            Decision::Retry { failure, .. } => {
                (before.failure.as_ref() != Some(failure)).then(|| format!("tries again: {failure}"))
            }
        }
    }

    fn moved(&self, base: &Base) -> bool {
        let record = &base.record;
        self.entered.state != record.raw.state
            || self.entered.phase != record.phase
            || self.entered.settled != record.settled
    }
}

fn standing(commit: &Commit<'_>, moved: bool) -> Standing {
    let now = commit.now;
    let mut standing = commit.base.record.raw.progress.clone();
    // A clock that was ahead when it was written must not keep a deadline from ever coming.
    standing.since = standing.since.min(now);
    standing.evidence_at = standing.evidence_at.min(now);
    let before = (standing.waiting_for.take(), standing.amount.take());
    let failed_before = standing.failure.take();
    let held_before = standing.held.take();
    match &commit.decision {
        Decision::Wait { reason, amount, .. } => {
            standing.waiting_for = Some(reason.clone());
            standing.amount = *amount;
        }
        Decision::Held { brake, .. } => {
            standing.waiting_for = Some(brake.to_string());
            standing.held = Some(brake.clone());
        }
        Decision::Failed { failure, .. } => standing.failure = Some(failure.clone()),
        Decision::Retry { failure, .. } => {
            (standing.waiting_for, standing.amount) = before.clone();
            standing.held = held_before;
            standing.failure = Some(failure.clone());
        }
        Decision::Advance(_) | Decision::Done { .. } | Decision::Gone => {}
    }
    standing.attempts = match &commit.decision {
        Decision::Retry { .. } => standing.attempts.saturating_add(1),
        _ => 0,
    };
    if moved {
        standing.since = now;
    }
    let is_retry = matches!(commit.decision, Decision::Retry { .. });
    let tells_more = (&before.0, &before.1) != (&standing.waiting_for, &standing.amount)
        || (!is_retry && failed_before != standing.failure);
    if moved || tells_more {
        standing.evidence_at = now;
    } else if let Some(news) = commit.base.last_news {
        standing.evidence_at = standing.evidence_at.max(news.min(now));
    }
    if let Some(unseen) = commit.lease.unseen_until() {
        standing.evidence_at = standing.evidence_at.max(unseen);
    }
    standing.decided_at.clone_from(&commit.decided_at);
    standing
}

/// Are two standings the same to a reader? When to look next stands in the queue, and where a decision was made does not
/// matter while it is the same one.
fn same(one: &Standing, other: &Standing) -> bool {
    let plain =
        |standing: &Standing| Standing { next_run_at: None, decided_at: String::new(), ..standing.clone() };
    plain(one) == plain(other)
}
