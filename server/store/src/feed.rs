//! The change feed: objects in the order in which their last changes were committed, tombstones included.
//!
//! A cursor is a revision. An object that changed twice is seen once, at its newest. Where tombstones behind a cursor
//! were thrown away the cursor is expired, and its holder starts again from a list.

use underlay_core::{Kind, ObjectId};

use crate::{
    Error, Record, Store,
    object::record::select_records,
    sql::{self, Connection},
};

/// Which changes are followed; what is left out matches all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Follow {
    /// Of this kind.
    pub kind: Option<Kind>,
    /// Of this object.
    pub id: Option<ObjectId>,
    /// But not of this kind.
    pub but: Option<Kind>,
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
        let mut connection = self.reader().await?;
        counter(&mut connection, "feed_head").await
    }

    /// Up to `limit` changes after the revision `after`. When there are none, wait for [`Store::hint`].
    ///
    /// # Errors
    /// [`Error::Expired`] where changes after the cursor were thrown away.
    pub async fn changes(&self, after: i64, follow: Follow, limit: usize) -> Result<Changes, Error> {
        let limit = i64::try_from(limit.clamp(1, 1000)).unwrap_or(1000);
        // One statement, so one moment: the cursor never runs ahead of what was looked at, and a purge is noticed.
        let rows = sql::query(concat!(
            "SELECT head.value AS feed_head, horizon.value AS feed_horizon, c.* \
             FROM counter head JOIN counter horizon ON horizon.name = 'feed_horizon' LEFT JOIN (",
            select_records!(
                "WHERE o.revision > $1 AND ($2 = '' OR o.kind = $2) AND ($3 = '' OR o.id = $3) \
                 AND o.kind <> $4 ORDER BY o.revision LIMIT $5"
            ),
            ") c ON 1 = 1 WHERE head.name = 'feed_head' ORDER BY c.revision"
        ))
        .bind(after)
        .bind(follow.kind.map_or("", Kind::as_str))
        .bind(follow.id.map(|id| id.to_string()).unwrap_or_default())
        .bind(follow.but.map_or("", Kind::as_str))
        .bind(limit)
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(Error::doing("reading the change feed"))?;
        let (mut head, mut records) = (after, Vec::with_capacity(rows.len()));
        for row in &rows {
            head = row.number("feed_head")?;
            let horizon = row.number("feed_horizon")?;
            if after < horizon {
                return Err(Error::Expired { horizon });
            }
            if row.maybe_text("id")?.is_some() {
                records.push(Record::read(row)?);
            }
        }
        let cursor = match records.last() {
            Some(last) if records.len() as i64 == limit => last.raw.meta.revision,
            _ => head.max(after),
        };
        Ok(Changes { records, cursor })
    }
}

pub(crate) async fn counter(connection: &mut Connection, name: &str) -> Result<i64, Error> {
    sql::query("SELECT value FROM counter WHERE name = $1")
        .bind(name)
        .fetch_one(connection)
        .await
        .map_err(Error::doing("reading a counter"))?
        .number("value")
}
