//! What a decision makes of an object: the rules of the store's commit, in memory.

use std::time::Duration;

use jiff::Timestamp;
use underlay_core::{Failure, Noun, Outcome, Standing, State, Step, view::RawObject};

/// A step, with its columns encoded.
pub(super) struct Decided {
    pub(super) state: serde_json::Value,
    pub(super) status: Option<serde_json::Value>,
    pub(super) phase: &'static str,
    pub(super) word: Word,
}

/// What happens to the state.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Word {
    Wait { reason: String, again: Duration, amount: Option<underlay_core::Amount> },
    Held { brake: underlay_core::Brake, again: Duration },
    Advance,
    Done { again: Option<Duration> },
    Failed { failure: Failure, again: Option<Duration> },
    Gone,
    Retry { failure: Failure },
}

impl Decided {
    pub(super) fn of<N: Noun>(step: Step<N>, present: N::State) -> Self {
        let (next, word) = match step.outcome {
            Outcome::Wait { reason, again, amount } => (present, Word::Wait { reason, again, amount }),
            Outcome::Held { brake, again } => (present, Word::Held { brake, again }),
            Outcome::Advance { next } => (next, Word::Advance),
            Outcome::Done { audit } => (present, Word::Done { again: audit }),
            Outcome::Failed { next, failure, again } => (next, Word::Failed { failure, again }),
            Outcome::Gone => (present, Word::Gone),
        };
        Self {
            state: serde_json::to_value(&next).expect("a state"),
            status: Some(serde_json::to_value(&step.status).expect("a status")),
            phase: next.phase(),
            word,
        }
    }

    pub(super) fn retry<N: Noun>(failure: Failure, present: N::State) -> Self {
        Self {
            phase: present.phase(),
            state: serde_json::to_value(&present).expect("a state"),
            status: None,
            word: Word::Retry { failure },
        }
    }

    /// The object after this, and when it is looked at next.
    pub(super) fn apply(
        self,
        raw: &mut RawObject,
        news: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let moved = self.state != raw.state;
        raw.progress = standing(&raw.progress, &self.word, moved, news, now);
        raw.state = self.state;
        raw.status = self.status.unwrap_or_else(|| raw.status.clone());
        if matches!(self.word, Word::Done { .. } | Word::Failed { .. } | Word::Gone) {
            raw.meta.observed_generation = raw.meta.generation;
        }
        let after = match self.word {
            Word::Wait { again, .. } | Word::Held { again, .. } => Some(again),
            Word::Advance if moved => Some(Duration::ZERO),
            Word::Advance => Some(Duration::from_secs(1)),
            Word::Done { again } | Word::Failed { again, .. } => again,
            Word::Gone => {
                raw.meta.purged_at = Some(now);
                None
            }
            Word::Retry { .. } => {
                let doublings = raw.progress.attempts.clamp(1, 9) - 1;
                Some(Duration::from_secs((1 << doublings).min(180)))
            }
        };
        after.map(|after| now + after)
    }
}

fn standing(
    before: &Standing,
    word: &Word,
    moved: bool,
    news: Option<Timestamp>,
    now: Timestamp,
) -> Standing {
    let mut after = Standing {
        waiting_for: None,
        amount: None,
        failure: None,
        held: None,
        attempts: 0,
        ..before.clone()
    };
    match word {
        Word::Wait { reason, amount, .. } => {
            after.waiting_for = Some(reason.clone());
            after.amount = *amount;
        }
        Word::Held { brake, .. } => {
            after.waiting_for = Some(brake.to_string());
            after.held = Some(brake.clone());
        }
        Word::Failed { failure, .. } => after.failure = Some(failure.clone()),
        Word::Retry { failure } => {
            after.waiting_for.clone_from(&before.waiting_for);
            after.amount = before.amount;
            after.held.clone_from(&before.held);
            after.failure = Some(failure.clone());
            after.attempts = before.attempts + 1;
        }
        Word::Advance | Word::Done { .. } | Word::Gone => {}
    }
    if moved {
        after.since = now;
    }
    let is_retry = matches!(word, Word::Retry { .. });
    let tells_more = (&before.waiting_for, before.amount) != (&after.waiting_for, after.amount)
        || (!is_retry && before.failure != after.failure);
    if moved || tells_more {
        after.evidence_at = now;
    } else if let Some(news) = news {
        after.evidence_at = after.evidence_at.max(news.min(now));
    }
    after
}
