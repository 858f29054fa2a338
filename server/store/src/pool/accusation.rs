//! What failed deployments had in common: so that a bad image does not go through a whole pool, host by host.

use underlay_core::ObjectId;

use crate::{Error, Store, column::micros, sql, transaction::Write};

/// How long an accusation counts, in microseconds: a day.
const COUNTS_FOR: i64 = 24 * 3600 * 1_000_000;

/// Remembers that a deployment with `shared` failed on `host`.
pub(crate) async fn put(
    write: &mut Write<'_>,
    pool: ObjectId,
    host: ObjectId,
    shared: &[(String, String)],
) -> Result<(), Error> {
    let now = micros(write.store().now());
    for (what, which) in shared {
        sql::query(
            "INSERT INTO accusation (pool, host, what, which, at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (pool, what, which, host) DO UPDATE SET at = excluded.at",
        )
        .bind(pool.to_string())
        .bind(host.to_string())
        .bind(what)
        .bind(which)
        .bind(now)
        .execute(write.connection())
        .await
        .map_err(Error::doing("remembering a failed deployment"))?;
    }
    sql::query("DELETE FROM accusation WHERE at < $1")
        .bind(now - COUNTS_FOR)
        .execute(write.connection())
        .await
        .map_err(Error::doing("forgetting old failures"))?;
    Ok(())
}

/// A deployment with `shared` went well: what failed before did not fail by that.
pub(crate) async fn lift(
    write: &mut Write<'_>,
    pool: ObjectId,
    shared: &[(String, String)],
) -> Result<(), Error> {
    for (what, which) in shared {
        sql::query("DELETE FROM accusation WHERE pool = $1 AND what = $2 AND which = $3")
            .bind(pool.to_string())
            .bind(what)
            .bind(which)
            .execute(write.connection())
            .await
            .map_err(Error::doing("forgetting failures"))?;
    }
    Ok(())
}

impl Store {
    /// The hosts of a pool on which deployments that had `shared` failed in the last day.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn accused(
        &self,
        pool: ObjectId,
        (what, which): &(String, String),
    ) -> Result<Vec<ObjectId>, Error> {
        let rows = sql::query(
            "SELECT host FROM accusation WHERE pool = $1 AND what = $2 AND which = $3 AND at >= $4 ORDER BY host",
        )
        .bind(pool.to_string())
        .bind(what)
        .bind(which)
        .bind(micros(self.now()) - COUNTS_FOR)
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(Error::doing("reading failed deployments"))?;
        rows.iter().map(|row| row.parsed("host")).collect()
    }
}
