//! SQLite's one writer: who writes takes a turn, and those whose turns follow on each other become durable together.
//!
//! A turn is a savepoint of the transaction that is open. Who ends its turn leaves the transaction to the next in line, and
//! queues again behind all that wait: when it comes to the front, all that was written meanwhile is committed at once, and
//! everybody is told. So nobody goes on before what it wrote is on disk, a lone writer commits at once, and many wait for
//! one sync instead of for one each.
//!
//! A turn that fails undoes its own savepoint. Where the database undid more than that (the disk was full), all of the
//! transaction is lost, and everybody who waits for it is told so.

use std::{io, sync::Arc};

use sqlx::{Any, AnyConnection, AnyPool, pool::PoolConnection};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use crate::Error;

/// The writer, and the line before it.
#[derive(Clone, Default)]
pub(crate) struct Writer(Arc<Mutex<Desk>>);

#[derive(Default)]
struct Desk {
    connection: Option<PoolConnection<Any>>,
    open: Option<Open>,
}

/// A transaction that is open, and those who wait for it to be durable.
#[derive(Default)]
struct Open {
    waiting: Vec<oneshot::Sender<bool>>,
}

/// The right to write.
pub(crate) struct Turn {
    writer: Writer,
    desk: Option<OwnedMutexGuard<Desk>>,
}

fn lost() -> sqlx::Error {
    sqlx::Error::Io(io::Error::other("the transaction was lost together with another write"))
}

impl Writer {
    /// Waits for a turn.
    pub(crate) async fn turn(&self, pool: &AnyPool) -> Result<Turn, Error> {
        let failed = || Error::doing("beginning a write");
        let mut turn = Turn { writer: self.clone(), desk: Some(self.0.clone().lock_owned().await) };
        let desk = turn.desk();
        if desk.connection.is_none() {
            desk.connection = Some(pool.acquire().await.map_err(failed())?);
        }
        if desk.open.is_none() {
            // Nothing is lost where the last word of a transaction that failed did not get through.
            if desk.execute("BEGIN IMMEDIATE").await.is_err() {
                desk.execute("ROLLBACK").await.ok();
                desk.execute("BEGIN IMMEDIATE").await.map_err(failed())?;
            }
            desk.open = Some(Open::default());
        }
        desk.execute("SAVEPOINT turn").await.map_err(failed())?;
        Ok(turn)
    }

    /// Lets go of the connection, once nobody writes.
    pub(crate) async fn close(&self) {
        self.0.lock().await.connection = None;
    }
}

impl Turn {
    fn desk(&mut self) -> &mut Desk {
        self.desk.as_mut().expect("it is held until the turn ends")
    }

    pub(crate) fn connection(&mut self) -> &mut AnyConnection {
        self.desk().connection.as_mut().expect("a turn begins with one")
    }

    /// Ends the turn; what was written is durable when this returns.
    pub(crate) async fn commit(mut self) -> Result<(), Error> {
        let failed = || Error::doing("committing a write");
        self.desk().execute("RELEASE turn").await.map_err(failed())?;
        let (sender, mut durable) = oneshot::channel();
        let writer = self.writer.clone();
        let Some(mut desk) = self.desk.take() else { return Err(failed()(lost())) };
        match desk.open.as_mut() {
            Some(open) => open.waiting.push(sender),
            None => return Err(failed()(lost())),
        }
        drop(desk);
        // Behind all who wait for their turn: the lock is fair.
        let mut desk = tokio::select! {
            biased;
            done = &mut durable => return told(done),
            desk = writer.0.clone().lock_owned() => desk,
        };
        if let Ok(done) = durable.try_recv() {
            return told(Ok(done));
        }
        let Some(open) = desk.open.take() else { return Err(failed()(lost())) };
        let done = desk.execute("COMMIT").await;
        if done.is_err() {
            desk.execute("ROLLBACK").await.ok();
        }
        open.tell(done.is_ok());
        done.map_err(failed())
    }
}

fn told(done: Result<bool, oneshot::error::RecvError>) -> Result<(), Error> {
    if done == Ok(true) { Ok(()) } else { Err(Error::doing("committing a write")(lost())) }
}

impl Open {
    fn tell(self, durable: bool) {
        for waiting in self.waiting {
            // Whoever is gone need not know.
            let _ = waiting.send(durable);
        }
    }
}

impl Desk {
    async fn execute(&mut self, text: &'static str) -> Result<(), sqlx::Error> {
        let connection = self.connection.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        sqlx::query(text).execute(&mut **connection).await.map(drop)
    }

    /// Undoes the turn that did not end.
    async fn undo(&mut self) {
        let alone = self.open.as_ref().is_none_or(|open| open.waiting.is_empty());
        let undone = if alone {
            self.open = None;
            self.execute("ROLLBACK").await
        } else {
            match self.execute("ROLLBACK TO turn").await {
                Ok(()) => self.execute("RELEASE turn").await,
                failed => failed,
            }
        };
        if undone.is_err() {
            self.execute("ROLLBACK").await.ok();
            self.open.take().into_iter().for_each(|open| open.tell(false));
        }
    }
}

impl Drop for Turn {
    /// A turn that was not committed leaves nothing, and the next one begins after that.
    fn drop(&mut self) {
        let Some(mut desk) = self.desk.take() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move { desk.undo().await });
            }
            Err(_) => {
                // Nobody is left to wait for it: the connection goes, and takes the transaction with it.
                desk.connection = None;
                desk.open.take().into_iter().for_each(|open| open.tell(false));
            }
        }
    }
}

#[cfg(test)]
mod tests;
