//! One row of the object table, not decoded into its kind yet.

use underlay_core::{Incarnation, Key, Meta, ObjectId, Standing, view::RawObject};

use crate::{
    Error,
    sql::{self, Connection, Row},
};

/// An object as it is stored.
#[derive(Clone, Debug)]
pub struct Record {
    /// Identity, columns as JSON, standing. `raw.decode::<N>()` reads it as its kind.
    pub raw: RawObject,
    /// The word shown for its state.
    pub phase: String,
    /// Is there nothing left to do until something changes?
    pub settled: bool,
    /// Counts every write of the row; what a step is checked against.
    pub version: i64,
    pub(crate) request_id: String,
}

/// `SELECT` of whole records, with when each is looked at next, followed by the given clauses.
macro_rules! select_records {
    ($tail:literal) => {
        concat!(
            "SELECT o.id, o.kind, o.site, o.owner, o.name, o.incarnation, o.confirmed, o.request_id, o.spec, \
             o.state, o.status, o.standing, o.phase, o.settled, o.generation, o.observed_generation, \
             o.revision, o.version, o.created_at, o.deleted_at, o.purged_at, q.run_at \
             FROM object o LEFT JOIN queue q ON q.id = o.id ",
            $tail
        )
    };
}
pub(crate) use select_records;

impl Record {
    /// Its id.
    pub fn id(&self) -> ObjectId {
        self.raw.meta.id
    }

    /// Has it come to rest at its newest generation, or failed at it?
    pub fn is_at_rest(&self) -> bool {
        self.settled && self.raw.meta.observed_generation >= self.raw.meta.generation
    }

    pub(crate) fn read(row: &Row) -> Result<Self, Error> {
        let mut progress: Standing = row.json("standing")?;
        progress.next_run_at = row.maybe_time("run_at")?;
        Ok(Self {
            raw: RawObject {
                meta: meta(row)?,
                spec: row.json("spec")?,
                state: row.json("state")?,
                status: row.json("status")?,
                progress,
            },
            phase: row.text("phase")?,
            settled: row.number("settled")? != 0,
            version: row.number("version")?,
            request_id: row.text("request_id")?,
        })
    }

    /// The record of `id`, tombstones included.
    pub(crate) async fn find(connection: &mut Connection, id: ObjectId) -> Result<Option<Self>, Error> {
        let row = sql::query(select_records!("WHERE o.id = $1"))
            .bind(id.to_string())
            .fetch_optional(connection)
            .await
            .map_err(Error::doing("reading an object"))?;
        row.as_ref().map(Self::read).transpose()
    }
}

fn meta(row: &Row) -> Result<Meta, Error> {
    Ok(Meta {
        kind: row.parsed("kind")?,
        id: row.parsed("id")?,
        key: Key { site: row.parsed("site")?, owner: row.parsed("owner")?, name: row.parsed("name")? },
        incarnation: row.parsed::<Incarnation>("incarnation")?,
        confirmed: row.number("confirmed")? != 0,
        generation: row.number("generation")?,
        observed_generation: row.number("observed_generation")?,
        revision: row.number("revision")?,
        created_at: row.time("created_at")?,
        deleted_at: row.maybe_time("deleted_at")?,
        purged_at: row.maybe_time("purged_at")?,
    })
}
