//! The change feed: objects in the order in which their last changes were committed, tombstones included.
//!
//! A cursor is a revision. An object that changed twice is seen once, at its newest. Where tombstones behind a cursor
//! were thrown away the cursor is expired, and its holder starts again from a list.

use sqlx::AnyConnection;
use underlay_core::{Kind, ObjectId};

use crate::{Error, Record, Store, column::Columns, object::record::select_records};

/// Which changes are followed; what is left out matches all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Follow {
    /// Of this kind.
    pub kind: Option<Kind>,
    /// Of this object.
    pub id: Option<ObjectId>,
}

/// Changes after a cursor.
#[derive(Clone, Debug)]
pub struct Changes {
    /// What changed, oldest change first; tombstones have `purged_at`.
    pub records: Vec<Record>,
    /// The cursor to go on from.
    pub cursor: i64,
}

impl Store {
    /// The revision of the newest change.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn head(&self) -> Result<i64, Error> {
        let mut connection = self.pool().acquire().await.map_err(Error::doing("reading the feed's head"))?;
        counter(&mut connection, "feed_head").await
    }

    /// Up to `limit` changes after the revision `after`. When there are none, wait for [`Store::hint`].
    ///
    /// # Errors
    /// [`Error::Expired`] where changes after the cursor were thrown away.
    pub async fn changes(&self, after: i64, follow: Follow, limit: usize) -> Result<Changes, Error> {
        let failed = || Error::doing("reading the change feed");
        let mut connection = self.pool().acquire().await.map_err(failed())?;
        // Read before the rows: the cursor never runs ahead of what was looked at.
        let head = counter(&mut connection, "feed_head").await?;
        let limit = i64::try_from(limit.clamp(1, 1000)).unwrap_or(1000);
        let rows = sqlx::query(select_records!(
            "WHERE o.revision > $1 AND o.revision <= $2 AND ($3 = '' OR o.kind = $3) AND ($4 = '' OR o.id = $4) \
             ORDER BY o.revision LIMIT $5"
        ))
        .bind(after)
        .bind(head)
        .bind(follow.kind.map_or("", Kind::as_str))
        .bind(follow.id.map(|id| id.to_string()).unwrap_or_default())
        .bind(limit)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed())?;
        // Read after the rows: a purge in between is noticed.
        let horizon = counter(&mut connection, "feed_horizon").await?;
        if after < horizon {
            return Err(Error::Expired { horizon });
        }
        let records = rows.iter().map(Record::read).collect::<Result<Vec<_>, _>>()?;
        let cursor = match records.last() {
            Some(last) if rows.len() as i64 == limit => last.raw.meta.revision,
            _ => head.max(after),
        };
        Ok(Changes { records, cursor })
    }
}

pub(crate) async fn counter(connection: &mut AnyConnection, name: &str) -> Result<i64, Error> {
    sqlx::query("SELECT value FROM counter WHERE name = $1")
        .bind(name)
        .fetch_one(connection)
        .await
        .map_err(Error::doing("reading a counter"))?
        .number("value")
}
