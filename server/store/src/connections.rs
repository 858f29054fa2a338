//! The connections of a store: those that read, and on SQLite the one that writes.
//!
//! Postgres's are in a pool that tests each before and after every use, because a server at the other end may be gone. SQLite
//! is in this process: there a connection is an open file and what it has cached, so the one that was used last is used next.

use std::{
    ops::{Deref, DerefMut},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use sqlx::{PgPool, Postgres, Transaction};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    Error,
    sql::{self, Connection, DatabaseError, Query, Row},
    turn::Writer,
};

/// Connections of SQLite that read, at most.
const READERS: usize = 7;

/// Hands out connections.
pub(crate) enum Connections {
    Sqlite { files: Arc<Files>, writer: Writer },
    Postgres(PgPool),
}

/// SQLite's, between uses.
pub(crate) struct Files {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    /// One for each connection that may be out; closed with the store.
    places: Arc<Semaphore>,
}

/// A connection to read with.
pub(crate) struct Reader {
    connection: Option<Connection>,
    home: Option<(Arc<Files>, OwnedSemaphorePermit)>,
}

impl Connections {
    /// One to read with; waits for a free one.
    pub(crate) async fn reader(&self) -> Result<Reader, Error> {
        let failed = || Error::doing("getting a connection to the database");
        let files = match self {
            Connections::Sqlite { files, .. } => files,
            Connections::Postgres(pool) => {
                let connection = pool.acquire().await.map_err(DatabaseError::from).map_err(failed())?;
                return Ok(Reader { connection: Some(Connection::Postgres(connection)), home: None });
            }
        };
        let place = files.places.clone().acquire_owned().await;
        let place = place.map_err(|_| failed()(DatabaseError::Closed))?;
        let idle = files.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => files.open().map_err(failed())?,
        };
        Ok(Reader { connection: Some(connection), home: Some((files.clone(), place)) })
    }

    /// Closes every connection once it is idle.
    pub(crate) async fn close(&self) {
        match self {
            Connections::Sqlite { files, writer } => {
                writer.close().await;
                files.places.close();
                files.idle().clear();
            }
            Connections::Postgres(pool) => pool.close().await,
        }
    }
}

impl Files {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default(), places: Arc::new(Semaphore::new(READERS)) }
    }

    /// One more connection.
    pub(crate) fn open(&self) -> Result<Connection, DatabaseError> {
        if self.places.is_closed() {
            return Err(DatabaseError::Closed);
        }
        sql::open(&self.path).map(Connection::Sqlite)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A transaction of Postgres.
pub(crate) async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, Error> {
    pool.begin().await.map_err(|error| Error::doing("beginning a write")(error.into()))
}

impl Reader {
    /// The answer of a statement that takes its time.
    pub(crate) async fn apart(mut self, query: Query) -> Result<Vec<Row>, DatabaseError> {
        let connection = self.connection.take().ok_or(DatabaseError::Closed)?;
        let (rows, connection) = query.apart(connection).await;
        self.connection = connection;
        rows
    }
}

impl Deref for Reader {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("it is there until the reader is dropped")
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("it is there until the reader is dropped")
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let Some((home, place)) = self.home.take() else { return };
        let mut idle = home.idle();
        // A store that is closed takes none back.
        if !home.places.is_closed() {
            idle.extend(self.connection.take());
        }
        drop((idle, place));
    }
}
