//! The queue: when each object is looked at next, and which worker looks at it now.
//!
//! Every object has one row until it is gone. A lease carries an epoch that only grows: a worker whose lease was taken
//! over can commit nothing. A kick that comes while an object is stepped is counted, so that the step's own idea of when
//! to look next does not lose it.

use std::{collections::BTreeSet, time::Duration};

use jiff::{SignedDuration, Timestamp};
use underlay_core::{Kind, ObjectId};

use crate::{
    Error, Store,
    column::micros,
    hint::Topic,
    sql::{self, Connection},
    transaction::Write,
};

/// Nothing is put off for longer.
const FARTHEST: SignedDuration = SignedDuration::from_hours(24);

/// The right to step one object until it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The object.
    pub id: ObjectId,
    /// Its kind.
    pub kind: Kind,
    /// Who holds it.
    pub owner: String,
    /// The fence.
    pub epoch: i64,
    /// When the object fell due.
    pub due_at: Timestamp,
    /// Since when it is held.
    pub leased_at: Timestamp,
    pub(crate) kicks: i64,
}

/// What was due for longer than this was seen by nobody meanwhile: its server died with the lease, or is overloaded.
const LATE: SignedDuration = SignedDuration::from_secs(60);

impl Lease {
    /// The moment before which no deadline counts, because nobody was looking; none where the object was due just now.
    pub fn unseen_until(&self) -> Option<Timestamp> {
        (self.leased_at.duration_since(self.due_at) > LATE).then_some(self.leased_at)
    }
}

/// Puts a new object into the queue.
pub(crate) async fn add(
    write: &mut Write<'_>,
    id: ObjectId,
    kind: Kind,
    now: Timestamp,
) -> Result<(), Error> {
    write.touch(Topic::Queue);
    sql::query("INSERT INTO queue (id, kind, run_at, kicks, lease_epoch) VALUES ($1, $2, $3, 0, 0)")
        .bind(id.to_string())
        .bind(kind.as_str())
        .bind(micros(now))
        .execute(write.connection())
        .await
        .map_err(Error::doing("queueing an object"))?;
    Ok(())
}

/// Has an object looked at now, or at once again where it is being stepped. Does nothing for one that is gone.
pub(crate) async fn kick(write: &mut Write<'_>, id: ObjectId, now: Timestamp) -> Result<(), Error> {
    write.touch(Topic::Queue);
    sql::query(
        "UPDATE queue SET kicks = kicks + 1, \
         run_at = CASE WHEN run_at IS NULL OR run_at > $2 THEN $2 ELSE run_at END WHERE id = $1",
    )
    .bind(id.to_string())
    .bind(micros(now))
    .execute(write.connection())
    .await
    .map_err(Error::doing("waking an object"))?;
    Ok(())
}

/// Takes an object out of the queue for good.
pub(crate) async fn remove(write: &mut Write<'_>, id: ObjectId) -> Result<(), Error> {
    sql::query("DELETE FROM queue WHERE id = $1")
        .bind(id.to_string())
        .execute(write.connection())
        .await
        .map_err(Error::doing("taking an object out of the queue"))?;
    Ok(())
}

/// Ends a lease and sets when to look next; a kick that came meanwhile means now.
///
/// # Errors
/// [`Error::Fenced`] where the lease is no longer ours.
pub(crate) async fn finish(
    write: &mut Write<'_>,
    lease: &Lease,
    next: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), Error> {
    let done = sql::query(
        "UPDATE queue SET lease_owner = NULL, lease_until = NULL, \
         run_at = CASE WHEN kicks <> $4 THEN $5 ELSE $6 END \
         WHERE id = $1 AND lease_owner = $2 AND lease_epoch = $3 AND lease_until IS NOT NULL",
    )
    .bind(lease.id.to_string())
    .bind(&lease.owner)
    .bind(lease.epoch)
    .bind(lease.kicks)
    .bind(micros(now))
    .bind(next.map(micros))
    .execute(write.connection())
    .await
    .map_err(Error::doing("ending a lease"))?;
    if done == 0 { Err(Error::Fenced { id: lease.id }) } else { Ok(()) }
}

/// Goes on holding a lease for an object that is due again at once, until `until`.
///
/// # Errors
/// [`Error::Fenced`] where the lease is no longer ours.
pub(crate) async fn keep(
    write: &mut Write<'_>,
    lease: &Lease,
    until: Timestamp,
    now: Timestamp,
) -> Result<Lease, Error> {
    let row = sql::query(
        "UPDATE queue SET lease_until = $4, run_at = $5 \
         WHERE id = $1 AND lease_owner = $2 AND lease_epoch = $3 AND lease_until IS NOT NULL RETURNING kicks",
    )
    .bind(lease.id.to_string())
    .bind(&lease.owner)
    .bind(lease.epoch)
    .bind(micros(until))
    .bind(micros(now))
    .fetch_optional(write.connection())
    .await
    .map_err(Error::doing("keeping a lease"))?;
    let row = row.ok_or(Error::Fenced { id: lease.id })?;
    Ok(Lease { kicks: row.number("kicks")?, due_at: now, leased_at: now, ..lease.clone() })
}

async fn next_run(connection: &mut Connection, kinds: &BTreeSet<Kind>) -> Result<Option<Timestamp>, Error> {
    let row = sql::query(
        "SELECT (SELECT MIN(run_at) FROM queue WHERE lease_until IS NULL AND run_at IS NOT NULL \
         AND $1 LIKE '%|' || kind || '|%') AS due, \
         (SELECT MIN(lease_until) FROM queue WHERE lease_until IS NOT NULL \
         AND $1 LIKE '%|' || kind || '|%') AS free",
    )
    .bind(pattern(kinds))
    .fetch_one(connection)
    .await
    .map_err(Error::doing("asking when the next object is due"))?;
    Ok([row.maybe_time("due")?, row.maybe_time("free")?].into_iter().flatten().min())
}

fn pattern(kinds: &BTreeSet<Kind>) -> String {
    kinds.iter().fold(String::from("|"), |pattern, kind| pattern + kind.as_str() + "|")
}

impl Store {
    /// Leases up to `limit` due objects of `kinds` to `owner`, longest due first. A lease that has run out is taken over.
    /// Says also when something else can be leased, if nothing changes before; see [`Store::next_run`].
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn lease_next(
        &self,
        owner: &str,
        kinds: &BTreeSet<Kind>,
        limit: usize,
        now: Timestamp,
        lease_for: Duration,
    ) -> Result<(Vec<Lease>, Option<Timestamp>), Error> {
        let mut write = self.write().await?;
        let failed = || Error::doing("leasing due objects");
        sql::query(self.inner.dialect.end_expired())
            .bind(micros(now))
            .execute(write.connection())
            .await
            .map_err(failed())?;
        let until = now.checked_add(lease_for).unwrap_or(Timestamp::MAX);
        let rows = sql::query(self.inner.dialect.lease_due())
            .bind(owner)
            .bind(micros(until))
            .bind(micros(now))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(pattern(kinds))
            .fetch_all(write.connection())
            .await
            .map_err(failed())?;
        let next = next_run(write.connection(), kinds).await?;
        // Everything that woke them is seen by everybody before they are stepped.
        write.commit_quietly().await?;
        let leases = rows
            .iter()
            .map(|row| {
                Ok(Lease {
                    id: row.parsed("id")?,
                    kind: row.parsed("kind")?,
                    owner: owner.to_owned(),
                    epoch: row.number("lease_epoch")?,
                    due_at: row.time("run_at")?,
                    leased_at: now,
                    kicks: row.number("kicks")?,
                })
            })
            .collect::<Result<_, Error>>()?;
        Ok((leases, next))
    }

    /// Ends every lease, for a start that knows its predecessor to be dead: its objects need not wait until the leases
    /// run out. Whoever held one is fenced as if it had. Returns how many there were.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn end_leases(&self) -> Result<u64, Error> {
        let mut write = self.write().await?;
        let done = sql::query("UPDATE queue SET lease_until = 0 WHERE lease_until IS NOT NULL")
            .execute(write.connection())
            .await
            .map_err(Error::doing("ending the leases of a dead server"))?;
        write.touch(Topic::Queue);
        write.commit().await?;
        Ok(done)
    }

    /// Has everything looked at that waits for a moment further away than anything is ever put off: it was queued by a
    /// clock that was ahead. Returns how much there was.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn end_far_waits(&self, now: Timestamp) -> Result<u64, Error> {
        let far = now.checked_add(FARTHEST).unwrap_or(Timestamp::MAX);
        let mut rows = 0;
        let mut write = self.write().await?;
        for text in [
            "UPDATE queue SET run_at = $1 WHERE run_at > $2",
            "UPDATE queue SET lease_until = $1 WHERE lease_until > $2",
        ] {
            let done = sql::query(text).bind(micros(now)).bind(micros(far)).execute(write.connection()).await;
            rows += done.map_err(Error::doing("ending waits for a far future"))?;
        }
        write.commit().await?;
        Ok(rows)
    }

    /// When something of `kinds` can be leased next, if nothing changes before; `None` when never.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn next_run(&self, kinds: &BTreeSet<Kind>) -> Result<Option<Timestamp>, Error> {
        next_run(&mut *self.reader().await?, kinds).await
    }

    /// How many objects are due and not being stepped.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn queue_depth(&self, now: Timestamp) -> Result<u64, Error> {
        let row = sql::query(
            "SELECT COUNT(*) AS due FROM queue WHERE lease_until IS NULL AND run_at IS NOT NULL AND run_at <= $1",
        )
        .bind(micros(now))
        .fetch_one(&mut *self.reader().await?)
        .await
        .map_err(Error::doing("counting due objects"))?;
        Ok(u64::try_from(row.number("due")?).unwrap_or(0))
    }

    /// Ends a lease without a decision; the object is looked at again at `next`, or now where it was woken meanwhile.
    ///
    /// # Errors
    /// [`Error::Fenced`] where the lease is no longer ours.
    pub async fn release(&self, lease: &Lease, next: Timestamp) -> Result<(), Error> {
        let mut write = self.write().await?;
        finish(&mut write, lease, Some(next), self.now()).await?;
        write.commit().await
    }

    /// Has an object looked at now.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn wake(&self, id: ObjectId) -> Result<(), Error> {
        let mut write = self.write().await?;
        let now = self.now();
        kick(&mut write, id, now).await?;
        write.commit().await
    }
}
