//! One step of a controller, committed: state, status, standing, effects, operation, history, next run, in one
//! transaction.
//!
//! Nothing is written where the object changed since it was shown to the controller, where the lease was taken over, or
//! where a claim is lost. A step that changes nothing writes only the queue row and is not seen in the feed.
//!
//! - [`after`]: what a decision makes of an object, without any database; [`effects`]: what is committed beside it

mod after;
mod effects;

use std::time::Duration;

use jiff::Timestamp;
use underlay_core::{Amount, Brake, Effect, Failure, Kind, ObjectId, observation::Observation};

use self::after::After;
use crate::{
    Error, Record, Store, claim,
    column::{self, micros},
    event, observation, operation,
    operation::Ending,
    pool::member,
    queue,
    queue::Lease,
    reference, sql,
    transaction::Write,
};

/// What a controller is shown, and what its step is checked against.
#[derive(Clone, Debug)]
pub struct Base {
    /// The object.
    pub record: Record,
    /// The newest observation of it from each source.
    pub observations: Vec<Observation>,
    /// When an observation of it, or of the host it holds, last said something new.
    pub last_news: Option<Timestamp>,
}

/// A state to enter.
#[derive(Clone, Debug, PartialEq)]
pub struct Entered {
    /// The state as JSON.
    pub state: serde_json::Value,
    /// The word shown for it.
    pub phase: String,
    /// Is there nothing left to do in it until something changes?
    pub settled: bool,
}

/// What a step decided; see [`underlay_core::Outcome`].
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Stay, and look again.
    Wait {
        /// What is waited for.
        reason: String,
        /// When to look again.
        again: Duration,
        /// How much is done.
        amount: Option<Amount>,
    },
    /// Stay until a brake is lifted.
    Held {
        /// What holds it back.
        brake: Brake,
        /// When to look again if nothing wakes it.
        again: Duration,
    },
    /// Go on to another state.
    Advance(Entered),
    /// What was wanted is true.
    Done {
        /// When to look again even if nothing changes.
        audit: Option<Duration>,
    },
    /// It failed, and the failure stands.
    Failed {
        /// The state in which it stands.
        next: Entered,
        /// What a person reads.
        failure: Failure,
        /// When to look again even if nothing changes.
        again: Option<Duration>,
    },
    /// Deletion is complete.
    Gone,
    /// The controller came to no decision; state and status stay.
    Retry {
        /// Why.
        failure: Failure,
        /// When to try again.
        again: Duration,
    },
}

/// A step to commit.
#[derive(Clone, Debug)]
pub struct Commit<'a> {
    /// The right to commit it.
    pub lease: &'a Lease,
    /// What the controller was shown.
    pub base: &'a Base,
    /// What it decided.
    pub decision: Decision,
    /// The status from now on; `None`: as it is.
    pub status: Option<serde_json::Value>,
    /// What is committed together with it.
    pub effects: Vec<Effect>,
    /// Where in the source it was decided (`file:line`).
    pub decided_at: String,
    /// The present moment.
    pub now: Timestamp,
}

impl Store {
    /// What a controller is shown of the leased object; `None` where it is gone.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn snapshot(&self, id: ObjectId) -> Result<Option<Base>, Error> {
        let mut connection = self.reader().await?;
        let found = Record::find(&mut connection, id).await?;
        let Some(record) = found.filter(|record| record.raw.meta.purged_at.is_none()) else {
            return Ok(None);
        };
        let (observations, last_news) = observation::evidence(&mut connection, id).await?;
        Ok(Some(Base { record, observations, last_news }))
    }

    /// Commits a step like [`Store::commit`], but where the object is due again at once, goes on holding its lease for so
    /// long and returns it.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn commit_and_keep(
        &self,
        commit: Commit<'_>,
        lease_for: Duration,
    ) -> Result<Option<Lease>, Error> {
        self.commit_and(commit, Some(lease_for)).await
    }

    /// Commits a step and ends its lease.
    ///
    /// # Errors
    /// [`Error::Conflict`], [`Error::Fenced`], [`Error::Claimed`], [`Error::Crowded`], or the database fails. Nothing is written then, and
    /// the lease, where it is still ours, stays until it is released or runs out.
    pub async fn commit(&self, commit: Commit<'_>) -> Result<(), Error> {
        self.commit_and(commit, None).await.map(drop)
    }

    async fn commit_and(&self, commit: Commit<'_>, keep: Option<Duration>) -> Result<Option<Lease>, Error> {
        let after = After::of(&commit);
        if commit.effects.is_empty() && !after.changes(commit.base) {
            let mut write = self.write().await?;
            queue::finish(&mut write, commit.lease, after.next_run_at, commit.now).await?;
            write.commit_quietly().await?;
            return Ok(None);
        }
        let mut write = self.write_ordered().await?;
        let kept = match keep {
            Some(lease_for) if after.next_run_at == Some(commit.now) => {
                let until = commit.now.checked_add(lease_for).unwrap_or(Timestamp::MAX);
                Some(queue::keep(&mut write, commit.lease, until, commit.now).await?)
            }
            _ => {
                queue::finish(&mut write, commit.lease, after.next_run_at, commit.now).await?;
                None
            }
        };
        effects::apply(&mut write, &commit).await?;
        if after.changes(commit.base) {
            store(&mut write, &commit, &after).await?;
            keep_operation(&mut write, &commit, &after).await?;
            keep_history(&mut write, &commit, &after).await?;
            wake_dependents(&mut write, &commit, &after).await?;
        } else {
            check(&mut write, &commit).await?;
        }
        if commit.decision == Decision::Gone {
            effects::clear(&mut write, &commit).await?;
        }
        write.commit().await?;
        Ok(kept)
    }
}

/// Writes the object, if it is still the one the controller was shown.
async fn store(write: &mut Write<'_>, commit: &Commit<'_>, after: &After) -> Result<(), Error> {
    let base = &commit.base.record;
    write.touch_object(base.raw.meta.kind, base.id());
    let purged_at = (commit.decision == Decision::Gone).then(|| micros(commit.now));
    let done = sql::query(
        "UPDATE object SET state = $3, phase = $4, settled = $5, status = $6, standing = $7, \
         observed_generation = $8, purged_at = $9, revision = $10, version = version + 1 \
         WHERE id = $1 AND version = $2 AND purged_at IS NULL",
    )
    .bind(base.id().to_string())
    .bind(base.version)
    .bind(after.entered.state.to_string())
    .bind(&after.entered.phase)
    .bind(i64::from(after.entered.settled))
    .bind(commit.status.as_ref().unwrap_or(&base.raw.status).to_string())
    .bind(column::json("standing", &after.standing)?)
    .bind(after.observed_generation)
    .bind(purged_at)
    .bind(write.revision())
    .execute(write.connection())
    .await
    .map_err(Error::doing("committing a step"))?;
    if done == 0 { Err(Error::Conflict { id: base.id() }) } else { Ok(()) }
}

/// Is the object still the one the controller was shown?
async fn check(write: &mut Write<'_>, commit: &Commit<'_>) -> Result<(), Error> {
    let base = &commit.base.record;
    let found = Record::find(write.connection(), base.id()).await?;
    match found {
        Some(found) if found.version == base.version => Ok(()),
        _ => Err(Error::Conflict { id: base.id() }),
    }
}

async fn keep_operation(write: &mut Write<'_>, commit: &Commit<'_>, after: &After) -> Result<(), Error> {
    let base = &commit.base.record;
    let (id, now) = (base.id(), commit.now);
    if after.entered.phase != base.phase {
        operation::advance(write, id, &after.entered.phase, now).await?;
    }
    match &commit.decision {
        Decision::Wait { reason, .. } => operation::note(write, id, reason).await,
        Decision::Held { brake, .. } => operation::note(write, id, &brake.to_string()).await,
        Decision::Retry { failure, .. } => operation::note(write, id, &failure.to_string()).await,
        Decision::Advance(_) => Ok(()),
        Decision::Done { .. } | Decision::Gone => operation::close(write, id, Ending::Done, None, now).await,
        Decision::Failed { failure, .. } => {
            operation::close(write, id, Ending::Failed, Some(failure), now).await
        }
    }
}

async fn keep_history(write: &mut Write<'_>, commit: &Commit<'_>, after: &After) -> Result<(), Error> {
    let base = &commit.base.record;
    let Some(text) = after.news(commit) else { return Ok(()) };
    let line = event::Line {
        kind: base.raw.meta.kind,
        id: base.id(),
        phase: &after.entered.phase,
        text: &text,
        decided_at: &commit.decided_at,
    };
    event::append(write, line, commit.now).await
}

async fn wake_dependents(write: &mut Write<'_>, commit: &Commit<'_>, after: &After) -> Result<(), Error> {
    let meta = &commit.base.record.raw.meta;
    if after.matters_to_others(commit.base) || commit.decision == Decision::Gone {
        reference::wake_dependents(write, meta.kind, &meta.key, commit.now).await?;
        if meta.kind == Kind::Host {
            member::wake_pool(write, meta.id, commit.now).await?;
            // A machine that a pool gave the host does not name it.
            if let Some(machine) = claim::holder(write.connection(), meta.id).await? {
                queue::kick(write, machine, commit.now).await?;
            }
        }
    }
    Ok(())
}
