//! Events: one line of history for each thing that changed about an object, with where it was decided.

use jiff::Timestamp;
use underlay_core::{Kind, ObjectId};

use crate::{
    Error, Store,
    column::micros,
    sql::{self, Row},
    transaction::Write,
};

/// One line of history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Position in the history of all objects; grows in commit order.
    pub seq: i64,
    /// Kind of the object.
    pub kind: Kind,
    /// The object.
    pub id: ObjectId,
    /// When.
    pub at: Timestamp,
    /// The phase it is in after this.
    pub phase: String,
    /// What happened, in a sentence.
    pub text: String,
    /// Where in the source it was decided (`file:line`).
    pub decided_at: String,
}

/// A line about the object that a write changes.
pub(crate) struct Line<'a> {
    pub(crate) kind: Kind,
    pub(crate) id: ObjectId,
    pub(crate) phase: &'a str,
    pub(crate) text: &'a str,
    pub(crate) decided_at: &'a str,
}

/// Writes a line; the 257th of one write and all after it are left out.
pub(crate) async fn append(write: &mut Write<'_>, line: Line<'_>, now: Timestamp) -> Result<(), Error> {
    let Some(seq) = write.next_line() else { return Ok(()) };
    sql::query(
        "INSERT INTO event (seq, kind, id, at, phase, text, decided_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(seq)
    .bind(line.kind.as_str())
    .bind(line.id.to_string())
    .bind(micros(now))
    .bind(line.phase)
    .bind(line.text)
    .bind(line.decided_at)
    .execute(write.connection())
    .await
    .map_err(Error::doing("writing a line of history"))?;
    Ok(())
}

fn read(row: &Row) -> Result<Event, Error> {
    Ok(Event {
        seq: row.number("seq")?,
        kind: row.parsed("kind")?,
        id: row.parsed("id")?,
        at: row.time("at")?,
        phase: row.text("phase")?,
        text: row.text("text")?,
        decided_at: row.text("decided_at")?,
    })
}

impl Store {
    /// Events after `after`, oldest first, of one object or of all.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn events(
        &self,
        object: Option<ObjectId>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Event>, Error> {
        let rows = sql::query(
            "SELECT seq, kind, id, at, phase, text, decided_at FROM event \
             WHERE ($1 = '' OR id = $1) AND seq > $2 ORDER BY seq LIMIT $3",
        )
        .bind(object.map(|id| id.to_string()).unwrap_or_default())
        .bind(after)
        .bind(i64::try_from(limit.min(1000)).unwrap_or(1000))
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(Error::doing("reading history"))?;
        rows.iter().map(read).collect()
    }

    /// The newest `limit` events of an object, oldest first.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn latest_events(&self, object: ObjectId, limit: usize) -> Result<Vec<Event>, Error> {
        let rows = sql::query(
            "SELECT seq, kind, id, at, phase, text, decided_at FROM event WHERE id = $1 \
             ORDER BY seq DESC LIMIT $2",
        )
        .bind(object.to_string())
        .bind(i64::try_from(limit.min(1000)).unwrap_or(1000))
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(Error::doing("reading the latest history"))?;
        rows.iter().rev().map(read).collect()
    }
}
