//! The connections of a store: those that read, and on SQLite the one that writes.
//!
//! A pool tests each connection before and after every use, because a server at the other end may be gone. SQLite is in
//! this process: there the connections are kept outside the pool, and a question costs one trip to the database instead of
//! three.

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
};

use sqlx::{Any, AnyConnection, AnyPool, pool::PoolConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Error, dialect::Dialect};

/// Hands out connections.
pub(crate) struct Connections {
    pool: AnyPool,
    kept: Option<Arc<Kept>>,
}

/// SQLite's, between uses.
struct Kept {
    idle: Mutex<Vec<PoolConnection<Any>>>,
    /// One for each connection that may be out; closed with the store.
    places: Arc<Semaphore>,
}

/// A connection to read with.
pub(crate) struct Reader {
    connection: Option<PoolConnection<Any>>,
    home: Option<(Arc<Kept>, OwnedSemaphorePermit)>,
}

impl Connections {
    pub(crate) fn new(pool: AnyPool, dialect: Dialect) -> Self {
        // One is for whoever writes.
        let places = Arc::new(Semaphore::new(dialect.connections() as usize - 1));
        let kept = Kept { idle: Mutex::default(), places };
        Self { pool, kept: (dialect == Dialect::Sqlite).then(|| Arc::new(kept)) }
    }

    pub(crate) fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// One to read with; waits for a free one.
    pub(crate) async fn reader(&self) -> Result<Reader, Error> {
        let failed = || Error::doing("getting a connection to the database");
        let Some(kept) = &self.kept else {
            let connection = self.pool.acquire().await.map_err(failed())?;
            return Ok(Reader { connection: Some(connection), home: None });
        };
        let place = kept.places.clone().acquire_owned().await;
        let place = place.map_err(|_| failed()(sqlx::Error::PoolClosed))?;
        let idle = kept.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.pool.acquire().await.map_err(failed())?,
        };
        Ok(Reader { connection: Some(connection), home: Some((kept.clone(), place)) })
    }

    /// Closes every connection once it is idle.
    pub(crate) async fn close(&self) {
        if let Some(kept) = &self.kept {
            kept.places.close();
            kept.idle().clear();
        }
        self.pool.close().await;
    }
}

impl Kept {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<PoolConnection<Any>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Reader {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        self.connection.as_ref().expect("it is there until the reader is dropped")
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        self.connection.as_mut().expect("it is there until the reader is dropped")
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let Some((home, place)) = self.home.take() else { return };
        let mut idle = home.idle();
        // A store that is closed takes none back: the pool waits for it.
        if !home.places.is_closed() {
            idle.extend(self.connection.take());
        }
        drop((idle, place));
    }
}
