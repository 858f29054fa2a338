//! The open database, and the hints that tell readers when to look again.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, OnceLock, RwLock},
    time::Duration,
};

use jiff::Timestamp;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    Error, SealingKey,
    audit::{self, Trail, chain::ChainKey},
    brake::Known,
    connections::{Connections, Files, Reader},
    dialect,
    dialect::Dialect,
    hint::{Hints, Topic},
    logins::Logins,
    migrate, reference,
    sql::{self, DatabaseError},
    traffic::Traffic,
    turn::Writer,
};

/// How often another server's changes are looked for when no hint comes.
const POLL: Duration = Duration::from_secs(3);

/// The database of one server, or of several that share a Postgres. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
    /// What the next write leaves in the audit.
    pub(crate) trail: Option<Trail>,
}

pub(crate) struct Inner {
    pub(crate) connections: Connections,
    pub(crate) dialect: Dialect,
    pub(crate) hints: Arc<Hints>,
    pub(crate) logins: Logins,
    key: RwLock<SealingKey>,
    chain: OnceLock<ChainKey>,
    pub(crate) brakes: Known,
    pub(crate) traffic: Traffic,
    url: String,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("dialect", &self.inner.dialect).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database at `url` (`postgres://..`, `sqlite:PATH` or a plain path, made if missing) and brings it to
    /// this server's schema.
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::Migrate`], [`Error::ForeignSchema`], and [`Error::WrongKey`] where the database was
    /// sealed under another key.
    pub async fn open(url: &str, key: SealingKey) -> Result<Self, Error> {
        let hints = Arc::<Hints>::default();
        let (dialect, connections) = match Dialect::of(url) {
            Dialect::Postgres => {
                let options = PgPoolOptions::new()
                    .max_connections(dialect::CONNECTIONS)
                    .acquire_timeout(Duration::from_secs(30));
                let failed =
                    |source: sqlx::Error| Error::Open { place: without_password(url), source: source.into() };
                (Dialect::Postgres, Connections::Postgres(options.connect(url).await.map_err(failed)?))
            }
            Dialect::Sqlite => {
                let files = Arc::new(Files::new(sqlite_path(url)));
                // It tells now whether it can be opened.
                files.open().map_err(|source| Error::Open { place: url.to_owned(), source })?;
                let writer = Writer::new(files.clone(), hints.clone());
                (Dialect::Sqlite, Connections::Sqlite { files, writer })
            }
        };
        let inner = Inner {
            connections,
            dialect,
            logins: Logins::new(&hints),
            hints,
            key: RwLock::new(key),
            chain: OnceLock::new(),
            brakes: Known::default(),
            traffic: Traffic::default(),
            url: url.to_owned(),
        };
        let store = Self { inner: Arc::new(inner), trail: None };
        store.migrate().await?;
        Ok(store)
    }

    async fn migrate(&self) -> Result<(), Error> {
        let mut write = self.write().await?;
        let failed = |source| Error::Migrate { version: 0, source };
        self.inner.dialect.lock_schema(write.connection()).await.map_err(failed)?;
        if migrate::run(write.connection()).await?.contains(&migrate::BELONGING) {
            reference::note_hosts(&mut write).await?;
        }
        let given = self.key().id().to_owned();
        let row = sql::query(
            "INSERT INTO meta (name, value) VALUES ('sealing_key', $1) \
             ON CONFLICT (name) DO UPDATE SET value = meta.value RETURNING value",
        )
        .bind(&given)
        .fetch_one(write.connection())
        .await
        .map_err(Error::doing("reading the id of the sealing key"))?;
        let expected = row.text("value")?;
        if expected != given {
            return Err(Error::WrongKey { expected, given });
        }
        let chain = audit::chain::open(&mut write, &self.key()).await?;
        write.commit().await?;
        self.inner.chain.set(chain).ok();
        Ok(())
    }

    /// Wakes whenever something may have changed: an object, the queue, a boot plan, an assignment.
    pub fn hint(&self) -> watch::Receiver<u64> {
        self.inner.hints.all()
    }

    /// Wakes whenever one of these may have changed.
    pub fn hint_of(&self, topics: &[Topic]) -> watch::Receiver<u64> {
        self.inner.hints.of(topics)
    }

    /// Passes on the hints of other servers until cancelled: LISTEN on Postgres, with a look every few seconds in case
    /// one was missed. On SQLite there is no other server, and this only waits.
    pub async fn listen(&self, cancel: CancellationToken) {
        if self.inner.dialect == Dialect::Sqlite {
            cancel.cancelled().await;
            return;
        }
        let mut listener = None;
        while !cancel.is_cancelled() {
            if listener.is_none() {
                listener = self.listener().await;
            }
            let heard = async {
                match listener.as_mut() {
                    Some(listener) => listener.recv().await.is_ok(),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(POLL) => {}
                alive = heard => if !alive { listener = None },
            }
            self.inner.hints.tell_all();
        }
    }

    async fn listener(&self) -> Option<PgListener> {
        let connect = async {
            let pool = PgPoolOptions::new().max_connections(1).connect(&self.inner.url).await?;
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.listen(dialect::CHANNEL).await?;
            Ok::<_, DatabaseError>(listener)
        };
        connect
            .await
            .inspect_err(|error| tracing::warn!(%error, "cannot listen for changes, polling instead"))
            .ok()
    }

    /// Closes every connection once it is idle; whoever uses the store afterwards gets an error.
    pub async fn close(&self) {
        self.inner.connections.close().await;
    }

    /// What was asked of the database so far.
    pub fn traffic(&self) -> &Traffic {
        &self.inner.traffic
    }

    /// A connection to read with.
    pub(crate) async fn reader(&self) -> Result<Reader, Error> {
        self.inner.traffic.read();
        self.inner.connections.reader().await
    }

    pub(crate) fn now(&self) -> Timestamp {
        crate::column::truncated(underlay_core::clock::now())
    }

    pub(crate) fn key(&self) -> SealingKey {
        self.inner.key.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// The key of the audit.
    pub(crate) fn chain(&self) -> Result<&ChainKey, Error> {
        self.inner.chain.get().ok_or_else(|| Error::Unseal { what: audit::chain::PLACE.into() })
    }

    pub(crate) fn set_key(&self, key: SealingKey) {
        *self.inner.key.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = key;
    }
}

/// The file of a SQLite URL, or the path that it is.
fn sqlite_path(url: &str) -> PathBuf {
    let path = url.strip_prefix("sqlite:").unwrap_or(url);
    PathBuf::from(if path.len() < url.len() { path.strip_prefix("//").unwrap_or(path) } else { path })
}

fn without_password(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            let (scheme, host) = (url.get(..scheme + 3), url.get(at + 1..));
            format!("{}{}", scheme.unwrap_or_default(), host.unwrap_or_default())
        }
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        assert_eq!(without_password("postgres://u:p%40ss@db:5432/x"), "postgres://db:5432/x");
        assert_eq!(without_password("sqlite:///var/lib/u.db"), "sqlite:///var/lib/u.db");
    }

    #[test]
    fn a_path_with_odd_characters_stays_that_path() {
        for url in ["/a b/50%?#.db", "sqlite:/a b/50%?#.db", "sqlite:///a b/50%?#.db"] {
            assert_eq!(sqlite_path(url), Path::new("/a b/50%?#.db"));
        }
        assert_eq!(sqlite_path("sqlite:here.db"), Path::new("here.db"));
    }
}
