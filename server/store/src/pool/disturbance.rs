//! Who of a pool's machines is disturbed, and who waits for a turn. A row that has begun counts against the limit until
//! the machine is as it should be again, or gone.

use underlay_core::ObjectId;

use crate::{Error, Store, column::micros, queue, sql, transaction::Write};

/// Queues `machine` for its turn in `pool`.
pub(crate) async fn wait(write: &mut Write<'_>, machine: ObjectId, pool: ObjectId) -> Result<(), Error> {
    sql::query(
        "INSERT INTO disturbance (machine, pool, since, begun) VALUES ($1, $2, $3, 0) ON CONFLICT (machine) DO NOTHING",
    )
    .bind(machine.to_string())
    .bind(pool.to_string())
    .bind(micros(write.store().now()))
    .execute(write.connection())
    .await
    .map_err(Error::doing("queueing to be disturbed"))?;
    Ok(())
}

/// Counts `machine` as disturbed.
///
/// # Errors
/// [`Error::Crowded`] where `limit` others are already.
pub(crate) async fn begin(
    write: &mut Write<'_>,
    machine: ObjectId,
    pool: ObjectId,
    limit: usize,
) -> Result<(), Error> {
    let failed = || Error::doing("beginning to disturb a machine");
    let row = sql::query(
        "SELECT COUNT(*) AS others FROM disturbance WHERE pool = $1 AND begun = 1 AND machine <> $2",
    )
    .bind(pool.to_string())
    .bind(machine.to_string())
    .fetch_one(write.connection())
    .await
    .map_err(failed())?;
    if usize::try_from(row.number("others")?).unwrap_or(usize::MAX) >= limit {
        return Err(Error::Crowded { pool });
    }
    sql::query(
        "INSERT INTO disturbance (machine, pool, since, begun) VALUES ($1, $2, $3, 1) \
         ON CONFLICT (machine) DO UPDATE SET pool = excluded.pool, begun = 1",
    )
    .bind(machine.to_string())
    .bind(pool.to_string())
    .bind(micros(write.store().now()))
    .execute(write.connection())
    .await
    .map_err(failed())?;
    Ok(())
}

/// `machine` is as it should be, or gone: whoever waits longest in its pool is looked at.
pub(crate) async fn end(write: &mut Write<'_>, machine: ObjectId) -> Result<(), Error> {
    let failed = || Error::doing("ending a disturbance");
    let row = sql::query("DELETE FROM disturbance WHERE machine = $1 RETURNING pool")
        .bind(machine.to_string())
        .fetch_optional(write.connection())
        .await
        .map_err(failed())?;
    let Some(row) = row else { return Ok(()) };
    let pool: ObjectId = row.parsed("pool")?;
    let next =
        sql::query("SELECT machine FROM disturbance WHERE pool = $1 AND begun = 0 ORDER BY since LIMIT 1")
            .bind(pool.to_string())
            .fetch_optional(write.connection())
            .await
            .map_err(failed())?;
    let now = write.store().now();
    if let Some(next) = next {
        queue::kick(write, next.parsed("machine")?, now).await?;
    }
    queue::kick(write, pool, now).await
}

/// Names of the machines of `pool` that are disturbed.
pub(crate) async fn names(store: &Store, pool: ObjectId) -> Result<Vec<String>, Error> {
    let rows = sql::query(
        "SELECT o.name AS name FROM disturbance d JOIN object o ON o.id = d.machine \
         WHERE d.pool = $1 AND d.begun = 1 ORDER BY o.name",
    )
    .bind(pool.to_string())
    .fetch_all(&mut *store.reader().await?)
    .await
    .map_err(Error::doing("reading who is disturbed"))?;
    rows.iter().map(|row| row.text("name")).collect()
}
