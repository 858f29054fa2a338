//! The hosts of a pool. A host belongs to the pool that its mention means: its own owner's of that name, else the only one
//! of that name in the site.

use jiff::Timestamp;
use underlay_core::{ObjectId, view::Census};

use super::{disturbance, want};
use crate::{
    Error, Record, Store, column::micros, hint::Topic, object::record::select_records, sql,
    transaction::Write,
};

/// Ids of the hosts of pool `$1`.
macro_rules! members {
    () => {
        "SELECT h.id FROM object p JOIN reference r ON r.bond = 'belongs' AND r.kind = 'pool' AND r.site = p.site \
         AND r.name = p.name AND (r.owner = p.owner OR r.owner = '') \
         JOIN object h ON h.id = r.id AND h.kind = 'host' AND h.purged_at IS NULL \
         WHERE p.id = $1 AND p.kind = 'pool' AND (r.owner <> '' OR h.owner = p.owner OR NOT EXISTS \
         (SELECT 1 FROM object other WHERE other.kind = 'pool' AND other.site = p.site AND other.name = p.name \
         AND other.id <> p.id AND other.purged_at IS NULL))"
    };
}

/// Has the pool of `host` looked at, if it belongs to one: at once where a machine wants one of its hosts, else within
/// a second or so, together with whatever else changes by then.
pub(crate) async fn wake_pool(write: &mut Write<'_>, host: ObjectId, now: Timestamp) -> Result<(), Error> {
    write.touch(Topic::Queue);
    let soon = now.checked_add(std::time::Duration::from_secs(1)).unwrap_or(now);
    sql::query(
        "UPDATE queue SET kicks = kicks + CASE WHEN EXISTS (SELECT 1 FROM want WHERE want.pool = queue.id) THEN 1 \
         ELSE 0 END, run_at = CASE \
         WHEN EXISTS (SELECT 1 FROM want WHERE want.pool = queue.id) AND (run_at IS NULL OR run_at > $2) THEN $2 \
         WHEN run_at IS NULL OR run_at > $3 THEN $3 ELSE run_at END \
         WHERE id IN (SELECT p.id FROM reference r JOIN object h ON h.id = r.id JOIN object p ON p.kind = 'pool' \
         AND p.site = r.site AND p.name = r.name AND p.purged_at IS NULL \
         AND (r.owner = p.owner OR r.owner = '') WHERE r.id = $1 AND r.bond = 'belongs' AND r.kind = 'pool')",
    )
    .bind(host.to_string())
    .bind(micros(now))
    .bind(micros(soon))
    .execute(write.connection())
    .await
    .map_err(Error::doing("waking a pool"))?;
    Ok(())
}

impl Store {
    /// The hosts of a pool, by name, each with the machine that holds it.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn members(&self, pool: ObjectId) -> Result<Vec<(Record, Option<ObjectId>)>, Error> {
        let failed = || Error::doing("reading the hosts of a pool");
        let holders =
            sql::query(concat!("SELECT c.host, c.machine FROM claim c WHERE c.host IN (", members!(), ")"))
                .bind(pool.to_string())
                .fetch_all(&mut *self.reader().await?)
                .await
                .map_err(failed())?;
        let mut held = std::collections::HashMap::with_capacity(holders.len());
        for row in holders {
            held.insert(row.parsed::<ObjectId>("host")?, row.parsed::<ObjectId>("machine")?);
        }
        let rows =
            sql::query(concat!(select_records!("WHERE o.id IN ("), members!(), ") ORDER BY o.name, o.owner"))
                .bind(pool.to_string())
                .fetch_all(&mut *self.reader().await?)
                .await
                .map_err(failed())?;
        let records = rows.iter().map(Record::read);
        records
            .map(|record| record.map(|record| (held.get(&record.id()).copied(), record)))
            .map(|it| it.map(|(holder, record)| (record, holder)))
            .collect()
    }

    /// The machines that hold hosts of a pool.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn tenants(&self, pool: ObjectId) -> Result<Vec<Record>, Error> {
        let rows = sql::query(concat!(
            select_records!(
                "WHERE o.id IN (SELECT c.machine FROM claim c WHERE c.machine <> c.host AND c.host IN ("
            ),
            members!(),
            ")) ORDER BY o.id"
        ))
        .bind(pool.to_string())
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(Error::doing("reading the machines of a pool"))?;
        rows.iter().map(Record::read).collect()
    }

    /// How full a pool is.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn census(&self, pool: ObjectId) -> Result<Census, Error> {
        let rows = sql::query(concat!(
            "SELECT o.phase AS phase, CASE WHEN c.host IS NULL THEN 0 WHEN c.machine = c.host THEN 2 ELSE 1 END AS held, COUNT(*) AS hosts \
             FROM object o LEFT JOIN claim c ON c.host = o.id WHERE o.id IN (",
            members!(),
            ") GROUP BY o.phase, CASE WHEN c.host IS NULL THEN 0 WHEN c.machine = c.host THEN 2 ELSE 1 END"
        ))
        .bind(pool.to_string())
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(Error::doing("counting the hosts of a pool"))?;
        let mut census = Census { waiting: want::count(self, pool).await?, ..Census::default() };
        for row in rows {
            let hosts = u64::try_from(row.number("hosts")?).unwrap_or(0);
            let (phase, held) = (row.text("phase")?, row.number("held")?);
            census.hosts += hosts;
            if held == 1 {
                census.claimed += hosts;
            }
            if phase == "quarantined" {
                census.quarantined += hosts;
            } else if phase == "available" && held == 0 {
                census.free += hosts;
            }
        }
        census.disturbed = disturbance::names(self, pool).await?;
        Ok(census)
    }
}
