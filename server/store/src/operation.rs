//! Operations: one durable run of work on one object, with the phases it passed.
//!
//! An operation opens with a new generation or a wish to delete and closes when the engine brings that to rest. At most
//! one is open per object: a newer wish closes the older one as superseded.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use underlay_core::{Failure, Kind, ObjectId, OperationId};

use crate::{
    Error, Store,
    column::{self, micros},
    sql::{self, Row},
    transaction::Write,
};

/// What an operation does to its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Brings it about.
    Create,
    /// Brings it to a new spec, or tries again.
    Update,
    /// Puts an image onto its disk anew.
    Redeploy,
    /// Ends it.
    Delete,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// What was wanted is true.
    Done,
    /// It failed, and the failure stands.
    Failed,
    /// Something else was wanted before it ended.
    Superseded,
}

/// The text is not one of the words.
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is not a word for this column")]
pub struct UnknownWord(pub(crate) String);

macro_rules! words {
    ($type:ty { $($variant:path => $word:literal),* $(,)? }) => {
        impl $type {
            /// The word used in SQL, logs and the API.
            pub fn as_str(self) -> &'static str {
                match self { $($variant => $word),* }
            }
        }

        impl FromStr for $type {
            type Err = $crate::operation::UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok($variant),)*
                    other => Err($crate::operation::UnknownWord(other.into())),
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words!(Verb {
    Verb::Create => "create",
    Verb::Update => "update",
    Verb::Redeploy => "redeploy",
    Verb::Delete => "delete",
});

words!(Ending {
    Ending::Done => "done",
    Ending::Failed => "failed",
    Ending::Superseded => "superseded",
});

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Its id.
    pub id: OperationId,
    /// The object worked on.
    pub object: ObjectId,
    /// That object's kind.
    pub kind: Kind,
    /// What is done.
    pub verb: Verb,
    /// The generation it brings about.
    pub generation: i64,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How it ended.
    pub ending: Option<Ending>,
    /// Why, where it failed.
    pub failure: Option<Failure>,
    /// The phases it passed, in order; filled by [`Store::operation`] only.
    pub steps: Vec<OperationStep>,
}

/// One phase an operation passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationStep {
    /// Position in the operation, from 0.
    pub seq: i64,
    /// The word of the object's state.
    pub phase: String,
    /// When it came into that phase.
    pub entered_at: Timestamp,
    /// When it left it.
    pub left_at: Option<Timestamp>,
    /// What was waited for last.
    pub note: String,
}

/// An operation to start.
pub(crate) struct Start {
    pub(crate) object: ObjectId,
    pub(crate) kind: Kind,
    pub(crate) verb: Verb,
    pub(crate) generation: i64,
}

/// Opens an operation in `phase`; one that is open on the same object is superseded.
pub(crate) async fn start(
    write: &mut Write<'_>,
    start: Start,
    phase: &str,
    now: Timestamp,
) -> Result<(), Error> {
    close(write, start.object, Ending::Superseded, None, now).await?;
    let id = OperationId::new();
    sql::query(
        "INSERT INTO operation (id, object, kind, verb, generation, started_at) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(id.to_string())
    .bind(start.object.to_string())
    .bind(start.kind.as_str())
    .bind(start.verb.as_str())
    .bind(start.generation)
    .bind(micros(now))
    .execute(write.connection())
    .await
    .map_err(Error::doing("opening an operation"))?;
    enter(write, id, phase, now).await
}

async fn enter(write: &mut Write<'_>, id: OperationId, phase: &str, now: Timestamp) -> Result<(), Error> {
    sql::query(
        "INSERT INTO operation_step (operation, seq, phase, entered_at, note) \
         SELECT $1, COUNT(*), $2, $3, '' FROM operation_step WHERE operation = $1",
    )
    .bind(id.to_string())
    .bind(phase)
    .bind(micros(now))
    .execute(write.connection())
    .await
    .map_err(Error::doing("opening a step of an operation"))?;
    Ok(())
}

async fn leave(write: &mut Write<'_>, id: OperationId, now: Timestamp) -> Result<(), Error> {
    sql::query("UPDATE operation_step SET left_at = $2 WHERE operation = $1 AND left_at IS NULL")
        .bind(id.to_string())
        .bind(micros(now))
        .execute(write.connection())
        .await
        .map_err(Error::doing("closing a step of an operation"))?;
    Ok(())
}

async fn find_open(write: &mut Write<'_>, object: ObjectId) -> Result<Option<OperationId>, Error> {
    let row = sql::query("SELECT id FROM operation WHERE object = $1 AND finished_at IS NULL")
        .bind(object.to_string())
        .fetch_optional(write.connection())
        .await
        .map_err(Error::doing("finding the open operation"))?;
    row.map(|row| row.parsed("id")).transpose()
}

/// Notes in the open operation of `object`, if there is one, that it went on to another phase.
pub(crate) async fn advance(
    write: &mut Write<'_>,
    object: ObjectId,
    phase: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let Some(id) = find_open(write, object).await? else { return Ok(()) };
    leave(write, id, now).await?;
    enter(write, id, phase, now).await
}

/// Notes in the open operation of `object`, if there is one, what is waited for.
pub(crate) async fn note(write: &mut Write<'_>, object: ObjectId, text: &str) -> Result<(), Error> {
    let Some(id) = find_open(write, object).await? else { return Ok(()) };
    sql::query("UPDATE operation_step SET note = $2 WHERE operation = $1 AND left_at IS NULL")
        .bind(id.to_string())
        .bind(text)
        .execute(write.connection())
        .await
        .map_err(Error::doing("noting what an operation waits for"))?;
    Ok(())
}

/// Closes the open operation of `object`, if there is one.
pub(crate) async fn close(
    write: &mut Write<'_>,
    object: ObjectId,
    ending: Ending,
    failure: Option<&Failure>,
    now: Timestamp,
) -> Result<(), Error> {
    let Some(id) = find_open(write, object).await? else { return Ok(()) };
    leave(write, id, now).await?;
    let failure = failure.map(|failure| column::json("failure", failure)).transpose()?;
    sql::query("UPDATE operation SET finished_at = $2, outcome = $3, failure = $4 WHERE id = $1")
        .bind(id.to_string())
        .bind(micros(now))
        .bind(ending.as_str())
        .bind(failure)
        .execute(write.connection())
        .await
        .map_err(Error::doing("closing an operation"))?;
    Ok(())
}

fn read(row: &Row) -> Result<Operation, Error> {
    let ending = row.maybe_text("outcome")?.map(|word| word.parse().map_err(Error::decode("outcome")));
    let failure = row.maybe_text("failure")?.map(|text| column::from_json("failure", &text));
    Ok(Operation {
        id: row.parsed("id")?,
        object: row.parsed("object")?,
        kind: row.parsed("kind")?,
        verb: row.parsed("verb")?,
        generation: row.number("generation")?,
        started_at: row.time("started_at")?,
        finished_at: row.maybe_time("finished_at")?,
        ending: ending.transpose()?,
        failure: failure.transpose()?,
        steps: Vec::new(),
    })
}

fn read_step(row: &Row) -> Result<OperationStep, Error> {
    Ok(OperationStep {
        seq: row.number("seq")?,
        phase: row.text("phase")?,
        entered_at: row.time("entered_at")?,
        left_at: row.maybe_time("left_at")?,
        note: row.text("note")?,
    })
}

impl Store {
    /// The newest operations, newest first, of one object or of all; without their steps.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn operations(&self, object: Option<ObjectId>, limit: usize) -> Result<Vec<Operation>, Error> {
        let rows = sql::query(
            "SELECT id, object, kind, verb, generation, started_at, finished_at, outcome, failure \
             FROM operation WHERE $1 = '' OR object = $1 ORDER BY id DESC LIMIT $2",
        )
        .bind(object.map(|id| id.to_string()).unwrap_or_default())
        .bind(i64::try_from(limit.min(1000)).unwrap_or(1000))
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(Error::doing("listing operations"))?;
        rows.iter().map(read).collect()
    }

    /// One operation with its steps.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn operation(&self, id: OperationId) -> Result<Option<Operation>, Error> {
        let row = sql::query(
            "SELECT id, object, kind, verb, generation, started_at, finished_at, outcome, failure \
             FROM operation WHERE id = $1",
        )
        .bind(id.to_string())
        .fetch_optional(&mut *self.reader().await?)
        .await
        .map_err(Error::doing("reading an operation"))?;
        let Some(row) = row else { return Ok(None) };
        let mut operation = read(&row)?;
        let rows = sql::query(
            "SELECT seq, phase, entered_at, left_at, note FROM operation_step WHERE operation = $1 ORDER BY seq",
        )
        .bind(id.to_string())
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(Error::doing("reading the steps of an operation"))?;
        operation.steps = rows.iter().map(read_step).collect::<Result<_, _>>()?;
        Ok(Some(operation))
    }
}
