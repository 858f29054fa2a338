//! Brakes: put by whoever may, asked by controllers and by the gate in front of the drivers, kept for a while after they
//! were lifted, so that no deadline is counted from before.
//!
//! Putting and lifting take the feed's row, as commits do: a step that was decided before a brake was put, and would make
//! a host boot the agent or hand out work after it, commits nothing.
//!
//! On SQLite there is one server, so what it has put and lifted is all there is: brakes are held in memory there, and asking
//! costs no query. On Postgres another server may have put one a moment ago, and every question is a query.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::RwLock;
use underlay_core::{
    Brake, Brakes, Name, ObjectId,
    brake::{Hold, Kind, Reach, Scope},
    view,
};
use uuid::Uuid;

use crate::{
    Error, Record, Store,
    column::{micros, truncated},
    dialect::Dialect,
    hint::Topic,
    sql::{self, Row},
    transaction::Write,
};

/// Brakes that were lifted and are remembered, at most.
const REMEMBERED: i64 = 1000;
/// More brakes than can stand over one place: a freeze of each reach, and one each of the other kinds.
const STANDING: i64 = 8;

/// Every brake that stands, and those that were lifted with when; `None` until somebody asks. Locked while it is read anew and
/// while it changes, so that what is known is never older than the last change.
pub(crate) type Known = RwLock<Option<Arc<[Remembered]>>>;

/// A brake, and when it was lifted.
type Remembered = (Brake, Option<Timestamp>);

macro_rules! select_brakes {
    ($tail:literal) => {
        concat!("SELECT kind, site, pool, by_whom, reason, since, lifted_at FROM brake ", $tail)
    };
}

fn name(row: &Row, column: &str) -> Result<Option<Name>, Error> {
    match row.text(column)?.as_str() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(Error::decode(column)),
    }
}

fn read(row: &Row) -> Result<Brake, Error> {
    Ok(Brake {
        kind: row.parsed("kind")?,
        reach: Reach { site: name(row, "site")?, pool: name(row, "pool")? },
        by: row.text("by_whom")?,
        since: row.time("since")?,
        reason: row.text("reason")?,
    })
}

fn or_all(name: Option<&Name>) -> &str {
    name.map_or("", Name::as_str)
}

impl Store {
    /// Has `brake` stand from now on. Where one of its kind stands over the same already, that one stays as it is, and is
    /// returned.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn put_brake(&self, brake: &Brake) -> Result<Brake, Error> {
        let mut known = self.inner.brakes.write().await;
        *known = None;
        let mut write = self.write_ordered().await?;
        let stands = put(&mut write, brake).await?;
        write.commit().await?;
        Ok(stands)
    }

    /// Lifts the brake of that kind that stands over just this, if there is one, and wakes whom it held back.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn lift_brake(
        &self,
        kind: Kind,
        reach: &Reach,
        by: &str,
        now: Timestamp,
    ) -> Result<Option<Brake>, Error> {
        let mut known = self.inner.brakes.write().await;
        *known = None;
        let mut write = self.write_ordered().await?;
        let row = sql::query(
            "UPDATE brake SET lifted_by = $4, lifted_at = $5 \
             WHERE kind = $1 AND site = $2 AND pool = $3 AND lifted_at IS NULL \
             RETURNING kind, site, pool, by_whom, reason, since, lifted_at",
        )
        .bind(kind.as_str())
        .bind(or_all(reach.site.as_ref()))
        .bind(or_all(reach.pool.as_ref()))
        .bind(by)
        .bind(micros(now))
        .fetch_optional(write.connection())
        .await
        .map_err(Error::doing("lifting a brake"))?;
        let Some(row) = row else { return Ok(None) };
        let lifted = read(&row)?;
        wake(&mut write, reach, now).await?;
        write.commit().await?;
        Ok(Some(lifted))
    }

    /// Every brake that stands, the weightiest first.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn standing_brakes(&self) -> Result<Vec<Brake>, Error> {
        let mut brakes: Vec<Brake> = match self.inner.dialect {
            Dialect::Sqlite => {
                let known = self.known_brakes().await?;
                known.iter().filter(|(_, lifted)| lifted.is_none()).map(|(brake, _)| brake.clone()).collect()
            }
            Dialect::Postgres => {
                let rows = sql::query(select_brakes!("WHERE lifted_at IS NULL LIMIT $1"))
                    .bind(REMEMBERED)
                    .fetch_all(&mut *self.reader().await?)
                    .await
                    .map_err(Error::doing("listing brakes"))?;
                rows.iter().map(read).collect::<Result<_, _>>()?
            }
        };
        brakes.sort_by_key(|brake| (brake.kind, brake.since));
        Ok(brakes)
    }

    async fn hold_over(&self, scope: &Scope) -> Result<Hold, Error> {
        match self.inner.dialect {
            Dialect::Sqlite => {
                let known = self.known_brakes().await?;
                let over = known.iter().filter(|(brake, _)| brake.reach.covers(scope));
                Ok(weigh(over.map(|(brake, lifted)| (brake.clone(), *lifted))))
            }
            Dialect::Postgres => self.ask_hold(scope).await,
        }
    }

    async fn known_brakes(&self) -> Result<Arc<[Remembered]>, Error> {
        if let Some(known) = &*self.inner.brakes.read().await {
            return Ok(known.clone());
        }
        let mut known = self.inner.brakes.write().await;
        if let Some(known) = &*known {
            return Ok(known.clone());
        }
        let rows = sql::query(select_brakes!(
            "ORDER BY CASE WHEN lifted_at IS NULL THEN 0 ELSE 1 END, lifted_at DESC LIMIT $1"
        ))
        .bind(REMEMBERED)
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(Error::doing("reading the brakes"))?;
        let fresh: Arc<[Remembered]> = rows.iter().map(remembered).collect::<Result<_, _>>()?;
        *known = Some(fresh.clone());
        Ok(fresh)
    }

    async fn ask_hold(&self, scope: &Scope) -> Result<Hold, Error> {
        let rows = sql::query(select_brakes!(
            "WHERE (site = '' OR site = $1) AND (pool = '' OR pool = $2) \
             ORDER BY CASE WHEN lifted_at IS NULL THEN 0 ELSE 1 END, lifted_at DESC LIMIT $3"
        ))
        .bind(scope.site.as_str())
        .bind(or_all(scope.pool.as_ref()))
        .bind(STANDING)
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(Error::doing("asking for brakes"))?;
        Ok(weigh(rows.iter().map(remembered).collect::<Result<Vec<_>, _>>()?))
    }
}

fn remembered(row: &Row) -> Result<Remembered, Error> {
    Ok((read(row)?, row.maybe_time("lifted_at")?))
}

/// The weightiest that stands, and when the last one was lifted.
fn weigh(brakes: impl IntoIterator<Item = Remembered>) -> Hold {
    let mut hold = Hold::default();
    for (brake, lifted) in brakes {
        match lifted {
            Some(lifted) => hold.lifted_at = hold.lifted_at.max(Some(lifted)),
            None if hold.brake.as_ref().is_none_or(|other| brake.kind < other.kind) => {
                hold.brake = Some(brake);
            }
            None => {}
        }
    }
    hold
}

/// Puts a brake within a write; see [`Store::put_brake`].
pub(crate) async fn put(write: &mut Write<'_>, brake: &Brake) -> Result<Brake, Error> {
    let row = sql::query(
        "INSERT INTO brake (id, kind, site, pool, by_whom, reason, since) VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (kind, site, pool) WHERE lifted_at IS NULL DO UPDATE SET kind = brake.kind \
         RETURNING kind, site, pool, by_whom, reason, since, lifted_at",
    )
    .bind(Uuid::now_v7().to_string())
    .bind(brake.kind.as_str())
    .bind(or_all(brake.reach.site.as_ref()))
    .bind(or_all(brake.reach.pool.as_ref()))
    .bind(&brake.by)
    .bind(&brake.reason)
    .bind(micros(brake.since))
    .fetch_one(write.connection())
    .await
    .map_err(Error::doing("putting a brake"))?;
    wake(write, &brake.reach, truncated(brake.since)).await?;
    read(&row)
}

/// Has everything looked at that may wait for a brake, or has to begin to: a host or machine that is not at rest.
async fn wake(write: &mut Write<'_>, reach: &Reach, now: Timestamp) -> Result<(), Error> {
    write.touch(Topic::Queue);
    write.touch(Topic::Brakes);
    sql::query(
        "UPDATE queue SET kicks = kicks + 1, \
         run_at = CASE WHEN run_at IS NULL OR run_at > $1 THEN $1 ELSE run_at END \
         WHERE id IN (SELECT id FROM object WHERE kind IN ('host', 'machine') AND purged_at IS NULL \
         AND ($2 = '' OR site = $2) \
         AND (settled = 0 OR observed_generation < generation OR deleted_at IS NOT NULL))",
    )
    .bind(micros(now))
    .bind(or_all(reach.site.as_ref()))
    .execute(write.connection())
    .await
    .map_err(Error::doing("waking what a brake holds back"))?;
    Ok(())
}

/// Is `host` held back? Asked within the write that would have it boot the agent, or give its agent work.
pub(crate) async fn stands_over(write: &mut Write<'_>, host: ObjectId) -> Result<bool, Error> {
    let rows = sql::query(select_brakes!("WHERE lifted_at IS NULL LIMIT 1000"))
        .fetch_all(write.connection())
        .await
        .map_err(Error::doing("asking for brakes"))?;
    if rows.is_empty() {
        return Ok(false);
    }
    let Some(record) = Record::find(write.connection(), host).await? else { return Ok(false) };
    let pool = record.raw.spec.get("pool").and_then(serde_json::Value::as_str);
    let scope =
        Scope { site: record.raw.meta.key.site.clone(), pool: pool.and_then(|pool| pool.parse().ok()) };
    for row in &rows {
        if read(row)?.reach.covers(&scope) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[async_trait]
impl Brakes for Store {
    async fn hold(&self, scope: &Scope) -> Result<Hold, view::Error> {
        self.hold_over(scope)
            .await
            .map_err(|error| view::Error::Read { what: "the brakes".into(), source: Box::new(error) })
    }
}
