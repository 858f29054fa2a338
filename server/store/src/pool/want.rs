//! The machines that wait for a host of a pool, in the order in which they came.

use underlay_core::{ObjectId, view::RawObject};

use crate::{
    Error, Record, Store, claim, column::micros, object::record::select_records, queue, sql,
    transaction::Write,
};

/// Puts `machine` into the queue of `pool`, behind those who wait already.
pub(crate) async fn put(write: &mut Write<'_>, machine: ObjectId, pool: ObjectId) -> Result<(), Error> {
    let now = write.store().now();
    let known = sql::query("SELECT pool FROM want WHERE machine = $1")
        .bind(machine.to_string())
        .fetch_optional(write.connection())
        .await
        .map_err(Error::doing("looking into a pool's queue"))?;
    let waits_already = match known {
        Some(row) => row.parsed::<ObjectId>("pool")? == pool,
        None => false,
    };
    if waits_already {
        return Ok(());
    }
    sql::query(
        "INSERT INTO want (machine, pool, since) VALUES ($1, $2, $3) ON CONFLICT (machine) DO UPDATE SET \
         since = excluded.since, pool = excluded.pool",
    )
    .bind(machine.to_string())
    .bind(pool.to_string())
    .bind(micros(now))
    .execute(write.connection())
    .await
    .map_err(Error::doing("queueing for a host"))?;
    queue::kick(write, pool, now).await
}

/// Takes `machine` out of every pool's queue.
pub(crate) async fn forget(write: &mut Write<'_>, machine: ObjectId) -> Result<bool, Error> {
    let done = sql::query("DELETE FROM want WHERE machine = $1")
        .bind(machine.to_string())
        .execute(write.connection())
        .await
        .map_err(Error::doing("leaving a pool's queue"))?;
    Ok(done > 0)
}

/// Gives `host` to `machine`, if that waits for one of `pool` and nobody has taken the host meanwhile.
pub(crate) async fn grant(
    write: &mut Write<'_>,
    pool: ObjectId,
    host: ObjectId,
    machine: ObjectId,
) -> Result<(), Error> {
    let now = write.store().now();
    let waits = sql::query("SELECT 1 AS one FROM want WHERE machine = $1 AND pool = $2")
        .bind(machine.to_string())
        .bind(pool.to_string())
        .fetch_optional(write.connection())
        .await
        .map_err(Error::doing("granting a host"))?;
    if waits.is_none() {
        return queue::kick(write, pool, now).await;
    }
    match claim::take(write, host, machine).await {
        Ok(_) => {}
        Err(Error::Claimed { .. } | Error::NotFound { .. }) => return queue::kick(write, pool, now).await,
        Err(error) => return Err(error),
    }
    forget(write, machine).await?;
    queue::kick(write, machine, now).await?;
    queue::kick(write, host, now).await
}

/// How many wait for a host of `pool`.
pub(crate) async fn count(store: &Store, pool: ObjectId) -> Result<u64, Error> {
    let row = sql::query("SELECT COUNT(*) AS waiting FROM want WHERE pool = $1")
        .bind(pool.to_string())
        .fetch_one(&mut *store.reader().await?)
        .await
        .map_err(Error::doing("counting who wants a host"))?;
    Ok(u64::try_from(row.number("waiting")?).unwrap_or(0))
}

/// How many machines are answered in one step of a pool.
const AT_ONCE: i64 = 1000;

impl Store {
    /// The machines that wait for a host of a pool, longest waiting first, a thousand at most.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn wants(&self, pool: ObjectId) -> Result<Vec<RawObject>, Error> {
        let rows = sql::query(select_records!(
            "JOIN want w ON w.machine = o.id WHERE w.pool = $1 AND o.purged_at IS NULL AND o.deleted_at IS NULL \
             ORDER BY w.since, o.id LIMIT $2"
        ))
        .bind(pool.to_string())
        .bind(AT_ONCE)
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(Error::doing("reading who wants a host"))?;
        rows.iter().map(|row| Record::read(row).map(|record| record.raw)).collect()
    }
}
