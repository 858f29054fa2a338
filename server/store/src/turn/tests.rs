//! Whoever is told that its write is durable finds it in the file; whoever is not leaves nothing; nobody waits for ever.

use std::{collections::BTreeSet, time::Duration};

use sqlx::{Row, any::AnyPoolOptions};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;
use crate::dialect::Dialect;

struct Bench {
    folder: TempDir,
    pool: AnyPool,
    writer: Writer,
}

impl Bench {
    async fn new() -> Self {
        sqlx::any::install_default_drivers();
        let folder = TempDir::new().unwrap();
        let pool = connect(&folder).await;
        sqlx::query("CREATE TABLE t (n BIGINT PRIMARY KEY, text TEXT NOT NULL)")
            .execute(&pool)
            .await
            .unwrap();
        Self { folder, pool, writer: Writer::default() }
    }

    async fn write(&self, number: i64, text: &str) -> Result<(), Error> {
        let mut turn = self.writer.turn(&self.pool).await?;
        insert(&mut turn, number, text).await?;
        turn.commit().await
    }

    /// What somebody finds who opens the file.
    async fn found(&self) -> BTreeSet<i64> {
        let other = connect(&self.folder).await;
        let rows = sqlx::query("SELECT n FROM t").fetch_all(&other).await.unwrap();
        rows.iter().map(|row| row.get::<i64, _>(0)).collect()
    }
}

async fn connect(folder: &TempDir) -> AnyPool {
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("t.db").display());
    let options = AnyPoolOptions::new().max_connections(2);
    let options = options
        .after_connect(|connection, _| Box::pin(async move { Dialect::Sqlite.prepare(connection).await }));
    options.connect(&url).await.unwrap()
}

async fn insert(turn: &mut Turn, number: i64, text: &str) -> Result<(), Error> {
    let insert = sqlx::query("INSERT INTO t (n, text) VALUES ($1, $2)").bind(number).bind(text);
    insert.execute(turn.connection()).await.map(drop).map_err(Error::doing("a test's write"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_fails_takes_nobody_else_with_it() {
    let bench = Arc::new(Bench::new().await);
    let mut writers = JoinSet::new();
    for number in 0..200 {
        let bench = bench.clone();
        writers.spawn(async move {
            if number % 3 == 0 {
                let mut turn = bench.writer.turn(&bench.pool).await.unwrap();
                insert(&mut turn, number, "given up").await.unwrap();
                return;
            }
            bench.write(number, "kept").await.unwrap();
            assert!(bench.found().await.contains(&number), "{number} is durable once it is told so");
        });
    }
    writers.join_all().await;
    assert_eq!(bench.found().await, (0..200).filter(|number| number % 3 != 0).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_goes_away_in_the_middle_holds_nobody_up() {
    let bench = Arc::new(Bench::new().await);
    let mut told = BTreeSet::new();
    let mut writers = Vec::new();
    for number in 0..300_u32 {
        let bench = bench.clone();
        let patience = Duration::from_micros(u64::from(number) * 37 % 2000);
        writers.push(tokio::spawn(async move {
            let done = tokio::time::timeout(patience, bench.write(number.into(), "x")).await;
            matches!(done, Ok(Ok(()))).then_some(i64::from(number))
        }));
    }
    for writer in writers {
        told.extend(writer.await.unwrap());
    }
    tokio::time::timeout(Duration::from_secs(30), bench.write(1000, "the last")).await.unwrap().unwrap();
    let found = bench.found().await;
    assert!(found.contains(&1000) && told.is_subset(&found), "{told:?} of {found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_everybody_is_told_the_truth() {
    let bench = Arc::new(Bench::new().await);
    {
        let mut turn = bench.writer.turn(&bench.pool).await.unwrap();
        sqlx::query("PRAGMA max_page_count = 40").execute(turn.connection()).await.unwrap();
        turn.commit().await.unwrap();
    }
    let mut writers = JoinSet::new();
    for number in 0..100 {
        let bench = bench.clone();
        let text = "x".repeat(if number % 5 == 0 { 60_000 } else { 500 });
        writers.spawn(async move { (number, bench.write(number, &text).await.is_ok()) });
    }
    let told: BTreeSet<i64> =
        writers.join_all().await.into_iter().filter(|(_, is_ok)| *is_ok).map(|(number, _)| number).collect();
    assert!(told.len() < 100, "the disk was full");
    assert_eq!(bench.found().await, told);
    bench.writer.turn(&bench.pool).await.unwrap().commit().await.unwrap();
}
