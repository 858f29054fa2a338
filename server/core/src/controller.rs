//! The contract between the engine and whoever moves one kind of object: a snapshot goes in, a [`Step`] comes out.
//!
//! A step reads top to bottom: is deletion wanted, is the thing already true, do one idempotent act, say what is waited
//! for. It never retries inside itself and never writes.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{Failure, Noun, Object, Step, View, observation::Observation};

/// Moves objects of one kind towards their specs.
#[async_trait]
pub trait Controller: Send + Sync + 'static {
    /// The kind moved.
    type Noun: Noun;

    /// One decision about one object.
    ///
    /// # Errors
    /// Only what is worth trying again as it is: the engine backs off with jitter and steps again, and shows the
    /// failure meanwhile. A failure that should stand is an [`crate::Outcome::Failed`].
    async fn step(
        &self,
        snapshot: &Snapshot<Self::Noun>,
        view: &dyn View,
    ) -> Result<Step<Self::Noun>, Failure>;

    /// The longest one step may take, driver calls included; its lease lasts longer than that.
    fn step_limit(&self) -> Duration {
        Duration::from_secs(60)
    }
}

/// What a controller is shown.
#[derive(Clone, Debug)]
pub struct Snapshot<N: Noun> {
    /// The object as it stands.
    pub object: Object<N>,
    /// The newest observation from each source.
    pub observations: Vec<Observation>,
    /// The present moment, by the server's clock.
    pub now: Timestamp,
    /// Since when the server runs: no deadline is counted from before, when nobody was looking.
    pub awake_since: Timestamp,
}

impl<N: Noun> Snapshot<N> {
    /// The same, with no deadline counted from before `moment`: work was held back until then.
    #[must_use]
    pub fn counting_from(mut self, moment: Timestamp) -> Self {
        self.awake_since = self.awake_since.max(moment);
        self.object.progress.evidence_at = self.object.progress.evidence_at.max(moment);
        self
    }

    /// Is deletion wanted?
    pub fn is_deleting(&self) -> bool {
        self.object.meta.deleted_at.is_some()
    }

    /// Has nothing moved for `patience`, counted from the last evidence?
    pub fn is_stalled(&self, patience: Duration) -> bool {
        let idle = self.now.duration_since(self.object.progress.evidence_at);
        idle.unsigned_abs() >= patience && idle.is_positive()
    }

    /// How soon to look again: after `pause`, or when `patience` with the last evidence ends, if that is sooner.
    pub fn look_within(&self, pause: Duration, patience: Duration) -> Duration {
        let idle = self.now.duration_since(self.object.progress.evidence_at);
        let left =
            patience.saturating_sub(if idle.is_positive() { idle.unsigned_abs() } else { Duration::ZERO });
        pause.min(left.max(Duration::from_secs(1)))
    }

    /// Has it been in this state for `limit`, whatever moved meanwhile?
    pub fn has_lasted(&self, limit: Duration) -> bool {
        let lasted = self.now.duration_since(self.object.progress.since.max(self.awake_since));
        lasted.unsigned_abs() >= limit && lasted.is_positive()
    }
}
