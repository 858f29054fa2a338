//! Whoever is told that its write is durable finds it in the file; whoever is not leaves nothing; nobody waits for ever.

use std::{collections::BTreeSet, time::Duration};

use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;

struct Bench {
    folder: TempDir,
    writer: Writer,
}

impl Bench {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let files = files(&folder);
        files
            .open()
            .unwrap()
            .script("CREATE TABLE t (n BIGINT PRIMARY KEY, text TEXT NOT NULL)")
            .await
            .unwrap();
        Self { folder, writer: Writer::new(files, Arc::default()) }
    }

    async fn write(&self, number: i64, text: &str) -> Result<(), Error> {
        let mut turn = self.writer.turn().await?;
        insert(&mut turn, number, text).await?;
        turn.commit(After::default()).await
    }

    /// What somebody finds who opens the file.
    async fn found(&self) -> BTreeSet<i64> {
        let mut other = files(&self.folder).open().unwrap();
        let rows = sql::query("SELECT n FROM t").fetch_all(&mut other).await.unwrap();
        rows.iter().map(|row| row.number("n").unwrap()).collect()
    }
}

fn files(folder: &TempDir) -> Arc<Files> {
    Arc::new(Files::new(folder.path().join("t.db")))
}

async fn insert(turn: &mut Turn, number: i64, text: &str) -> Result<(), Error> {
    let insert = sql::query("INSERT INTO t (n, text) VALUES ($1, $2)").bind(number).bind(text);
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
                let mut turn = bench.writer.turn().await.unwrap();
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
        let mut turn = bench.writer.turn().await.unwrap();
        sql::query("PRAGMA max_page_count = 40").execute(turn.connection()).await.unwrap();
        turn.commit(After::default()).await.unwrap();
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
    bench.writer.turn().await.unwrap().commit(After::default()).await.unwrap();
}
