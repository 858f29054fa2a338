//! Statements and rows, alike on both databases. All SQL of this crate goes through here.
//!
//! SQLite lives in this process: a statement is a call in the caller's own thread, for a look at a few cached pages costs less than
//! waking another thread to do it. What waits for the disk is done apart, by [`Query::apart`]. Postgres is asked over a
//! socket, asynchronously.
//!
//! Places are `$1`, `$2`, ..; columns are text or whole numbers, null or not.

mod postgres;
mod row;
mod sqlite;

use std::{borrow::Cow, sync::Arc, time::Duration};

use ::sqlx::{PgConnection, Postgres, Transaction, pool::PoolConnection};

pub(crate) use self::{
    row::{Names, Row},
    sqlite::open,
};

/// Why a statement failed.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// SQLite's answer.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// Postgres's, or the way there.
    #[error(transparent)]
    Postgres(#[from] ::sqlx::Error),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// It was not this statement that failed.
    #[error("{0}")]
    Lost(Arc<str>),
    /// A row was expected.
    #[error("there is no such row")]
    NoRow,
}

/// A value of a place or a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Number(Option<i64>),
    Text(Option<String>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Number(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Value::Number(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(Some(text.to_owned()))
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Value::Text(Some(text.clone()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(Some(text))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Value::Text(text)
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Value::Text(text.map(str::to_owned))
    }
}

/// A connection to one of the databases.
pub(crate) enum Connection {
    Sqlite(rusqlite::Connection),
    /// One that reads.
    Postgres(PoolConnection<Postgres>),
    /// One in a transaction of its own.
    Transaction(Transaction<'static, Postgres>),
}

/// What a connection leads to.
enum Link<'a> {
    Sqlite(&'a rusqlite::Connection),
    Postgres(&'a mut PgConnection),
}

impl Connection {
    fn link(&mut self) -> Link<'_> {
        match self {
            Connection::Sqlite(sqlite) => Link::Sqlite(sqlite),
            Connection::Postgres(connection) => Link::Postgres(connection),
            Connection::Transaction(transaction) => Link::Postgres(transaction),
        }
    }

    /// From now on it waits for the locks of other processes only in what is done [`Query::apart`].
    pub(crate) fn wait_only_apart(&self) -> Result<(), DatabaseError> {
        match self {
            Connection::Sqlite(sqlite) => Ok(sqlite.busy_timeout(Duration::ZERO)?),
            Connection::Postgres(_) | Connection::Transaction(_) => Ok(()),
        }
    }

    /// Makes the transaction of Postgres durable.
    pub(crate) async fn commit(self) -> Result<(), DatabaseError> {
        match self {
            Connection::Transaction(transaction) => Ok(transaction.commit().await?),
            Connection::Sqlite(_) | Connection::Postgres(_) => Ok(()),
        }
    }

    /// Does statements without places and rows.
    pub(crate) async fn script(&mut self, text: &str) -> Result<(), DatabaseError> {
        match self.link() {
            Link::Sqlite(sqlite) => Ok(sqlite.execute_batch(text)?),
            Link::Postgres(connection) => postgres::script(connection, text).await,
        }
    }
}

/// A statement, and the values of its places.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    text: Cow<'static, str>,
    values: Vec<Value>,
}

/// A statement.
pub(crate) fn query(text: impl Into<Cow<'static, str>>) -> Query {
    Query { text: text.into(), values: Vec::new() }
}

impl Query {
    /// The value of the next place.
    #[must_use]
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Does it, and says how many rows that changed.
    pub(crate) async fn execute(self, connection: &mut Connection) -> Result<u64, DatabaseError> {
        match connection.link() {
            Link::Sqlite(sqlite) => sqlite::execute(sqlite, &self),
            Link::Postgres(connection) => postgres::execute(connection, self).await,
        }
    }

    /// Every row of its answer.
    pub(crate) async fn fetch_all(self, connection: &mut Connection) -> Result<Vec<Row>, DatabaseError> {
        match connection.link() {
            Link::Sqlite(sqlite) => sqlite::rows(sqlite, &self, usize::MAX),
            Link::Postgres(connection) => postgres::rows(connection, self).await,
        }
    }

    /// The first row of its answer, if there is one.
    pub(crate) async fn fetch_optional(
        self,
        connection: &mut Connection,
    ) -> Result<Option<Row>, DatabaseError> {
        match connection.link() {
            Link::Sqlite(sqlite) => Ok(sqlite::rows(sqlite, &self, 1)?.pop()),
            Link::Postgres(connection) => postgres::row(connection, self).await,
        }
    }

    /// The first row of its answer.
    pub(crate) async fn fetch_one(self, connection: &mut Connection) -> Result<Row, DatabaseError> {
        self.fetch_optional(connection).await?.ok_or(DatabaseError::NoRow)
    }

    /// Every row of its answer, for what takes its time, such as waiting for the disk: on SQLite, not in a thread that others
    /// need. The connection comes back unless that thread was ended. Where the caller goes away meanwhile, the
    /// statement comes to its end all the same, and the connection is closed.
    pub(crate) async fn apart(
        self,
        mut connection: Connection,
    ) -> (Result<Vec<Row>, DatabaseError>, Option<Connection>) {
        let sqlite = match connection {
            Connection::Sqlite(sqlite) => sqlite,
            _ => return (self.fetch_all(&mut connection).await, Some(connection)),
        };
        let work = move || (sqlite::rows_patiently(&sqlite, &self), sqlite);
        match tokio::task::spawn_blocking(work).await {
            Ok((rows, sqlite)) => (rows, Some(Connection::Sqlite(sqlite))),
            Err(_) => (Err(DatabaseError::Lost("the thread that did it was ended".into())), None),
        }
    }
}

#[cfg(test)]
mod tests;
