//! SQLite's one writer: who writes takes a turn, and those whose turns follow on each other become durable together.
//!
//! A turn is a savepoint of the transaction that is open. Who ends its turn leaves the transaction to the next in line. The first to
//! do so has it closed: whoever closes it queues behind all that wait by then, and when it comes to the front, all that was written
//! meanwhile is committed at once, and everybody is told. So nobody goes on before what it wrote is on disk, a lone
//! writer commits at once, and many wait for one sync instead of for one each.
//!
//! A turn that fails undoes its own savepoint. Where the database undid more than that (the disk was full), all of the
//! transaction is lost, and everybody who waits for it is told so.

use std::{
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Mutex, OwnedMutexGuard, oneshot},
    time::Instant,
};

use crate::{
    Error,
    audit::Trail,
    connections::Files,
    hint::{Hints, Topic},
    sql::{self, Connection, DatabaseError},
};

/// After a commit of several turns, so long until the next. Whoever writes alone never waits for others.
const PACE: Duration = Duration::from_millis(8);

/// The writer, and the line before it.
#[derive(Clone)]
pub(crate) struct Writer {
    /// When there may be another commit.
    next: Arc<std::sync::Mutex<Instant>>,
    desk: Arc<Mutex<Desk>>,
    files: Arc<Files>,
    hints: Arc<Hints>,
}

#[derive(Default)]
struct Desk {
    connection: Option<Connection>,
    open: Option<Open>,
}

/// A transaction that is open, and those who wait for it to be durable.
#[derive(Default)]
struct Open {
    waiting: Vec<Waiting>,
}

/// Is it durable? If not, why.
type Told = Result<(), Arc<str>>;

struct Waiting {
    writer: oneshot::Sender<Told>,
    after: After,
}

/// What is done once a turn is durable, whether or not its writer is still there.
#[derive(Default)]
pub(crate) struct After {
    /// Who is told of it; `None`: nobody.
    pub(crate) topics: Option<Vec<Topic>>,
    /// The call whose row of the audit was in it.
    pub(crate) trail: Option<Trail>,
}

/// The right to write.
pub(crate) struct Turn {
    writer: Writer,
    desk: Option<OwnedMutexGuard<Desk>>,
}

const LOST: &str = "the transaction was lost together with another write";

fn lost(why: impl Into<Arc<str>>) -> Error {
    Error::doing("committing a write")(DatabaseError::Lost(why.into()))
}

impl Writer {
    pub(crate) fn new(files: Arc<Files>, hints: Arc<Hints>) -> Self {
        Self { next: Arc::new(Instant::now().into()), desk: Arc::default(), files, hints }
    }

    /// Waits for a turn.
    pub(crate) async fn turn(&self) -> Result<Turn, Error> {
        let failed = || Error::doing("beginning a write");
        let mut turn = Turn { writer: self.clone(), desk: Some(self.desk.clone().lock_owned().await) };
        let desk = turn.desk();
        if desk.connection.is_none() {
            let connection = self.files.open().map_err(failed())?;
            connection.wait_only_apart().map_err(failed())?;
            desk.connection = Some(connection);
        }
        if desk.open.is_none() {
            // Somebody else writes, or the last word of a transaction that failed did not get through, of which nothing is lost.
            if desk.execute("BEGIN IMMEDIATE").await.is_err() {
                desk.execute("ROLLBACK").await.ok();
                desk.apart("BEGIN IMMEDIATE").await.map_err(failed())?;
            }
            desk.open = Some(Open::default());
        }
        desk.execute("SAVEPOINT turn").await.map_err(failed())?;
        Ok(turn)
    }

    /// Lets go of the connection, once nobody writes.
    pub(crate) async fn close(&self) {
        self.desk.lock().await.connection = None;
    }

    fn next(&self) -> MutexGuard<'_, Instant> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes durable what is written until everybody who waits now had a turn.
    async fn close_transaction(self) {
        let due = *self.next();
        tokio::time::sleep_until(due).await;
        let mut desk = self.desk.clone().lock_owned().await;
        let Some(open) = desk.open.take() else { return };
        let done = desk.apart("COMMIT").await;
        let pace = if open.waiting.len() > 1 { PACE } else { Duration::ZERO };
        *self.next() = Instant::now() + pace;
        if done.is_err() {
            desk.execute("ROLLBACK").await.ok();
        }
        open.tell(&done.map_err(|error| Arc::from(error.to_string())), &self.hints);
    }
}

impl Turn {
    fn desk(&mut self) -> &mut Desk {
        self.desk.as_mut().expect("it is held until the turn ends")
    }

    pub(crate) fn connection(&mut self) -> &mut Connection {
        self.desk().connection.as_mut().expect("a turn begins with one")
    }

    /// Ends the turn; what was written is durable when this returns, and becomes so even where the caller goes away.
    pub(crate) async fn commit(mut self, after: After) -> Result<(), Error> {
        let (writer, durable) = oneshot::channel();
        self.desk().execute("RELEASE turn").await.map_err(Error::doing("committing a write"))?;
        let open = self.desk().open.as_mut().ok_or_else(|| lost(LOST))?;
        open.waiting.push(Waiting { writer, after });
        if open.waiting.len() == 1 {
            tokio::spawn(self.writer.clone().close_transaction());
        }
        self.desk = None;
        durable.await.unwrap_or_else(|_| Err(LOST.into())).map_err(lost)
    }
}

impl After {
    /// Does it.
    pub(crate) fn tell(self, hints: &Hints) {
        self.trail.iter().for_each(Trail::mark_written);
        if let Some(topics) = self.topics {
            hints.tell(&topics);
        }
    }
}

impl Open {
    fn tell(self, done: &Told, hints: &Hints) {
        let (mut all, mut writers) = (After::default(), Vec::with_capacity(self.waiting.len()));
        for Waiting { writer, after } in self.waiting {
            after.trail.iter().filter(|_| done.is_ok()).for_each(Trail::mark_written);
            if let Some(topics) = after.topics {
                all.topics.get_or_insert_default().extend(topics);
            }
            writers.push(writer);
        }
        if done.is_ok() {
            // Whoever waits for what many of them changed is woken once.
            all.topics.iter_mut().for_each(|topics| {
                topics.sort_unstable();
                topics.dedup();
            });
            all.tell(hints);
        }
        for writer in writers {
            // Whoever is gone need not know.
            let _ = writer.send(done.clone());
        }
    }
}

impl Desk {
    async fn execute(&mut self, text: &'static str) -> Result<(), DatabaseError> {
        let connection = self.connection.as_mut().ok_or(DatabaseError::Closed)?;
        sql::query(text).execute(connection).await.map(drop)
    }

    async fn apart(&mut self, text: &'static str) -> Result<(), DatabaseError> {
        let connection = self.connection.take().ok_or(DatabaseError::Closed)?;
        let (done, connection) = sql::query(text).apart(connection).await;
        self.connection = connection;
        done.map(drop)
    }

    /// Undoes the turn that did not end.
    async fn undo(&mut self, hints: &Hints) {
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
            self.open.take().into_iter().for_each(|open| open.tell(&Err(LOST.into()), hints));
        }
    }
}

impl Drop for Turn {
    /// A turn that was not committed leaves nothing, and the next one begins after that.
    fn drop(&mut self) {
        let Some(mut desk) = self.desk.take() else { return };
        let hints = self.writer.hints.clone();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move { desk.undo(&hints).await });
            }
            Err(_) => {
                // Nobody is left to wait for it: the connection goes, and takes the transaction with it.
                desk.connection = None;
                desk.open.take().into_iter().for_each(|open| open.tell(&Err(LOST.into()), &hints));
            }
        }
    }
}

#[cfg(test)]
mod tests;
