//! A database of a test's own, and the macro that runs one test on both. Fakes for nothing: the databases are real.
//!
//! SQLite lives in a temporary folder. Postgres is the one that `UNDERLAY_TEST_POSTGRES` names; each test makes a schema
//! there and drops it.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;

use crate::{SealingKey, Store};

/// The variable that holds the URL of a Postgres for tests.
pub const POSTGRES: &str = "UNDERLAY_TEST_POSTGRES";

/// A database of a test's own; gone after [`Database::remove`], or with the folder it lives in.
pub struct Database {
    url: String,
    folder: TempDir,
    schema: Option<(String, String)>,
}

impl Database {
    /// A SQLite file in a new folder.
    pub async fn sqlite() -> Option<Self> {
        let folder = TempDir::new().expect("a temporary folder");
        let url = folder.path().join("underlay.db").display().to_string();
        Some(Self { url, folder, schema: None })
    }

    /// A schema in the Postgres for tests; says so and returns `None` where there is none, and fails in CI.
    pub async fn postgres() -> Option<Self> {
        let Ok(server) = std::env::var(POSTGRES) else {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{POSTGRES} is not set");
            println!("skipped: {POSTGRES} is not set");
            return None;
        };
        let schema = format!("t{}", Uuid::new_v4().simple());
        run(&server, &format!("CREATE SCHEMA {schema}")).await;
        let separator = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{separator}options[search_path]={schema}");
        let folder = TempDir::new().expect("a temporary folder");
        Some(Self { url, folder, schema: Some((server, schema)) })
    }

    /// Opens it, as one more server would.
    pub async fn open(&self) -> Store {
        Store::open(&self.url, SealingKey::new(&[7; 32])).await.expect("the store opens")
    }

    /// Does to it what somebody does who has access to the database, past every store.
    pub async fn meddle(&self, text: &str) {
        if self.schema.is_some() {
            return run(&self.url, text).await;
        }
        let connection = rusqlite::Connection::open(&self.url).expect("the file opens");
        connection.busy_timeout(Duration::from_secs(10)).expect("it waits for the server");
        connection.execute_batch(text).expect("SQLite obeys");
    }

    /// Its URL or path.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The folder of a SQLite database.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Drops it.
    pub async fn remove(self) {
        if let Some((server, schema)) = &self.schema {
            run(server, &format!("DROP SCHEMA {schema} CASCADE")).await;
        }
    }
}

async fn run(server: &str, text: &str) {
    let mut connection = PgConnection::connect(server).await.expect("the test Postgres answers");
    let text = sqlx::raw_sql(AssertSqlSafe(text.to_owned()));
    connection.execute(text).await.expect("the test Postgres obeys");
    connection.close().await.expect("it says goodbye");
}

/// Makes each `async fn name(database: &Database)` into a test on SQLite and one on Postgres.
#[macro_export]
macro_rules! on_both_databases {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let database = $crate::testing::Database::sqlite().await.expect("SQLite needs nothing");
                super::$name(&database).await;
                database.remove().await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let Some(database) = $crate::testing::Database::postgres().await else { return };
                super::$name(&database).await;
                database.remove().await;
            })*
        }
    };
}
