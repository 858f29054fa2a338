//! One step: snapshot, decision, commit. Whatever a controller does, an answer is committed or the lease runs out.
//!
//! No transaction is held while the controller works. A panic and an overrun time limit are failures like any other: they
//! are shown, and tried again after a backoff.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::FutureExt;
use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use underlay_core::{ErrorKind, Failure};
use underlay_store::{Commit, Decision, Error, Lease, Store, commit::Base};

use crate::{
    backoff::Backoff,
    clock::Clock,
    erased::{Decided, Erased, Shown},
    metrics::Metrics,
};

/// Steps of one object one after the other, at most; then others have their turn.
const IN_A_ROW: u32 = 16;
/// After a lost claim the view shows the holder; a controller that claims again all the same is slowed down.
const CLAIM_AGAIN: Duration = Duration::from_millis(250);
/// After the database failed.
const DATABASE_AGAIN: Duration = Duration::from_secs(1);

/// What every step needs.
#[derive(Clone)]
pub(crate) struct Worker {
    pub(crate) store: Store,
    pub(crate) backoff: Backoff,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    pub(crate) awake_since: Timestamp,
    /// How long a lease is held.
    pub(crate) lease_for: Duration,
    pub(crate) cancel: CancellationToken,
    /// Leases that could not be given back, because the database failed: nobody steps these objects.
    pub(crate) kept: Arc<Mutex<Vec<Lease>>>,
}

impl Worker {
    /// Gives back what could not be given back before, so that nobody has to wait until those leases run out. Is anything
    /// left?
    pub(crate) async fn give_back_kept(&self) -> Left {
        let kept = std::mem::take(&mut *self.kept());
        for lease in kept {
            match self.store.release(&lease, self.clock.now()).await {
                Ok(()) | Err(Error::Fenced { .. }) => {}
                Err(_) => self.kept().push(lease),
            }
        }
        if self.kept().is_empty() { Left::Nothing } else { Left::Some }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Lease>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Steps the leased object, and again while it advances: whoever has the lease goes on at once.
    pub(crate) async fn step(&self, mut lease: Lease, controller: Arc<dyn Erased>) {
        for left in (0..IN_A_ROW).rev() {
            match self.step_once(&lease, left, controller.as_ref()).await {
                Some(kept) => lease = kept,
                None => return,
            }
        }
    }

    /// One step, after which so many more may follow in a row. Returns the lease where one has to.
    async fn step_once(&self, lease: &Lease, left: u32, controller: &dyn Erased) -> Option<Lease> {
        let begun = Instant::now();
        let late = self.clock.now().duration_since(lease.due_at).as_secs_f64();
        self.metrics.started(lease.kind, late);
        let (outcome, kept) = match self.store.snapshot(lease.id).await {
            Ok(Some(base)) => self.step_shown(lease, &base, left, controller).await,
            Ok(None) => ("gone_before", None),
            Err(error) => (self.give_back(lease, &error).await, None),
        };
        self.metrics.stepped(lease.kind, outcome, begun.elapsed().as_secs_f64());
        kept
    }

    async fn step_shown(
        &self,
        lease: &Lease,
        base: &Base,
        left: u32,
        controller: &dyn Erased,
    ) -> (&'static str, Option<Lease>) {
        let decided = match self.decide(lease, base, controller).await {
            Ok(decided) => decided,
            Err(failure) => self.retry(base, failure),
        };
        let outcome = word(&decided.decision);
        debug!(outcome, decided_at = decided.decided_at, "decided");
        let commit = Commit {
            lease,
            base,
            decision: decided.decision,
            status: decided.status,
            effects: decided.effects,
            decided_at: decided.decided_at,
            now: self.clock.now(),
        };
        let committed = if left > 0 && !self.cancel.is_cancelled() {
            self.store.commit_and_keep(commit, self.lease_for).await
        } else {
            self.store.commit(commit).await.map(|()| None)
        };
        match committed {
            Ok(kept) => (outcome, kept),
            Err(error) => (self.give_back(lease, &error).await, None),
        }
    }

    /// The controller's decision, whatever it does: it may fail, panic or hang.
    async fn decide(&self, lease: &Lease, base: &Base, controller: &dyn Erased) -> Result<Decided, Failure> {
        let limit = controller.step_limit();
        let awake_since = lease.unseen_until().map_or(self.awake_since, |seen| seen.max(self.awake_since));
        let shown = Shown { base, now: self.clock.now(), awake_since };
        let step = AssertUnwindSafe(controller.step(shown, &self.store)).catch_unwind();
        match tokio::time::timeout(limit, step).await {
            Ok(Ok(decided)) => decided,
            Ok(Err(_)) => Err(broken(base, "the controller panicked; the server's log has the place")),
            Err(_) => Err(broken(base, &format!("the step came to no end within {} s", limit.as_secs()))),
        }
    }

    fn retry(&self, base: &Base, failure: Failure) -> Decided {
        let again = self.backoff.draw(base.record.raw.progress.attempts);
        warn!(%failure, again_ms = again.as_millis() as u64, "no decision, trying again");
        Decided {
            decision: Decision::Retry { failure, again },
            status: None,
            effects: Vec::new(),
            decided_at: format!("{}:{}", file!(), line!()),
        }
    }

    /// Ends a lease whose step was not committed.
    async fn give_back(&self, lease: &Lease, error: &Error) -> &'static str {
        let (outcome, delay) = match error {
            Error::Conflict { .. } => ("conflict", Duration::ZERO),
            Error::Claimed { .. } | Error::Crowded { .. } => ("claimed", CLAIM_AGAIN),
            Error::Fenced { .. } => return "fenced",
            _ => ("error", DATABASE_AGAIN),
        };
        debug!(outcome, %error, "a step was not committed");
        let now = self.clock.now();
        let next = now.checked_add(delay).unwrap_or(now);
        if let Err(error) = self.store.release(lease, next).await {
            warn!(%error, "cannot give a lease back, trying again; it runs out by itself");
            self.kept().push(lease.clone());
        }
        outcome
    }
}

/// Are there leases that could not be given back?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Nothing,
    Some,
}

fn word(decision: &Decision) -> &'static str {
    match decision {
        Decision::Wait { .. } => "wait",
        Decision::Held { .. } => "held",
        Decision::Advance(_) => "advance",
        Decision::Done { .. } => "done",
        Decision::Failed { .. } => "failed",
        Decision::Gone => "gone",
        Decision::Retry { .. } => "retry",
    }
}

/// A failure of the controller itself.
fn broken(base: &Base, why: &str) -> Failure {
    let meta = &base.record.raw.meta;
    let what = format!("{} {}: {}", meta.kind, meta.key.name, base.record.phase);
    let next = format!("look with: underlay explain {}/{}", meta.kind, meta.key.name);
    Failure::new(ErrorKind::Transient, what, why, "nothing was decided; it is tried again", next)
}
