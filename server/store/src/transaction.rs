//! The one way to write: a transaction that takes SQLite's write lock at its start, and stamps what it changes in the
//! order of commits.
//!
//! Whoever changes an object, or several rows that others change too, takes the feed's row first and holds it until commit. So on both
//! databases revisions become visible in their own order, a cursor never steps over a change that commits later, and
//! no two writers wait for each other in a circle.

use underlay_core::{Kind, ObjectId};

use crate::{
    Error, Store,
    audit::{self, Trail},
    connections::{self, Connections},
    dialect,
    hint::Topic,
    sql::{self, Connection, DatabaseError},
    turn::{After, Turn},
};

/// A write in progress; dropped without [`Write::commit`] it leaves nothing.
pub(crate) struct Write<'a> {
    store: &'a Store,
    transaction: Open,
    revision: i64,
    lines: i64,
    touched: Vec<Topic>,
}

/// What is written to.
enum Open {
    /// Postgres: a transaction of its own.
    Alone(Connection),
    /// SQLite: a turn.
    InTurn(Turn),
}

impl Store {
    /// Begins a write that changes one row of something other than an object.
    pub(crate) async fn write(&self) -> Result<Write<'_>, Error> {
        self.inner.traffic.write();
        let transaction = match &self.inner.connections {
            Connections::Sqlite { writer, .. } => Open::InTurn(writer.turn().await?),
            Connections::Postgres(pool) => {
                Open::Alone(Connection::Transaction(connections::begin(pool).await?))
            }
        };
        Ok(Write { store: self, transaction, revision: 0, lines: 0, touched: Vec::new() })
    }

    /// Begins a write that may change an object, whose revision is taken here, or several rows; such writes are made one
    /// after the other.
    pub(crate) async fn write_ordered(&self) -> Result<Write<'_>, Error> {
        let mut write = self.write().await?;
        let row = sql::query("UPDATE counter SET value = value + 1 WHERE name = 'feed_head' RETURNING value")
            .fetch_one(write.connection())
            .await
            .map_err(Error::doing("taking the head of the feed"))?;
        write.revision = row.number("value")?;
        Ok(write)
    }
}

impl Write<'_> {
    pub(crate) fn connection(&mut self) -> &mut Connection {
        match &mut self.transaction {
            Open::Alone(connection) => connection,
            Open::InTurn(turn) => turn.connection(),
        }
    }

    pub(crate) fn store(&self) -> &Store {
        self.store
    }

    /// The revision of the object this write changes.
    pub(crate) fn revision(&self) -> i64 {
        self.revision
    }

    /// This write changes what `topic` is about.
    pub(crate) fn touch(&mut self, topic: Topic) {
        if !self.touched.contains(&topic) {
            self.touched.push(topic);
        }
    }

    /// This write changes that object.
    pub(crate) fn touch_object(&mut self, kind: Kind, id: ObjectId) {
        self.touch(Topic::Kind(kind));
        self.touch(Topic::Object(id));
    }

    /// The number of the next line of history; `None` when this write has written 256 already.
    pub(crate) fn next_line(&mut self) -> Option<i64> {
        let line = self.lines;
        self.lines += 1;
        (line < 256).then_some(self.revision * 256 + line)
    }

    /// Makes the write durable and gives the hint.
    pub(crate) async fn commit(mut self) -> Result<(), Error> {
        let trail = self.leave_trail().await?;
        if let Open::Alone(connection) = &mut self.transaction {
            dialect::notify(connection).await.map_err(Error::doing("notifying other servers"))?;
        }
        let topics = std::mem::take(&mut self.touched);
        self.end(After { topics: Some(topics), trail }).await
    }

    /// Makes the write durable without waking anybody: nothing they wait for has changed.
    pub(crate) async fn commit_quietly(mut self) -> Result<(), Error> {
        let trail = self.leave_trail().await?;
        self.end(After { topics: None, trail }).await
    }

    /// Comes to its end even where the caller goes away meanwhile: what is durable is told of.
    async fn end(self, after: After) -> Result<(), Error> {
        let connection = match self.transaction {
            Open::InTurn(turn) => return turn.commit(after).await,
            Open::Alone(connection) => connection,
        };
        let hints = self.store.inner.hints.clone();
        let ending = tokio::spawn(async move {
            connection.commit().await?;
            after.tell(&hints);
            Ok(())
        });
        let ended = ending.await.unwrap_or_else(|error| Err(DatabaseError::Lost(error.to_string().into())));
        ended.map_err(Error::doing("committing a write"))
    }

    /// Adds the row of the call this write is made for to the audit, if there is one and it is not there yet.
    async fn leave_trail(&mut self) -> Result<Option<Trail>, Error> {
        let Some(trail) = self.store.trail.as_ref().filter(|trail| !trail.is_written()).cloned() else {
            return Ok(None);
        };
        audit::rows::append(self, trail.entry("Ok")).await?;
        Ok(Some(trail))
    }
}
