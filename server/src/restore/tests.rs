//! A restored server is on hold; what is no backup, is another server's, or meets a running server changes nothing.

use clap::Parser;
use jiff::Timestamp;
use underlay_core::brake;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

/// A data directory with a database, and a backup of it.
struct Bench {
    folder: tempfile::TempDir,
    key: SealingKey,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let key = SealingKey::load_or_create(&folder.path().join("sealing.key")).expect("a key");
        let bench = Self { folder, key };
        let store = bench.open().await;
        store.backup(&bench.path("backup.db")).await.expect("a backup");
        store.close().await;
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn open(&self) -> Store {
        let database = self.path("underlay.db").display().to_string();
        Store::open(&database, self.key.clone()).await.expect("it opens")
    }

    async fn restore(&self, more: &[&str]) -> anyhow::Result<String> {
        let data = self.folder.path().display().to_string();
        let line = ["restore", "--data", &data].into_iter().chain(more.iter().copied());
        restore(Line::parse_from(line).arguments).await
    }

    async fn restore_backup(&self) -> anyhow::Result<String> {
        self.restore(&[&self.path("backup.db").display().to_string()]).await
    }
}

#[tokio::test]
async fn a_restored_server_is_on_hold_until_somebody_confirms() {
    let bench = Bench::new().await;
    // What happened since the backup is gone, and kept aside.
    let store = bench.open().await;
    store.add_to_audit(Default::default()).await.expect("a row");
    store.close().await;
    let said = bench.restore_backup().await.expect("restored");
    assert!(said.contains("underlay resume") && said.contains("before-restore-1"), "{said}");
    assert!(bench.path("underlay.db.before-restore-1").exists());
    refuse_half_done(bench.folder.path()).expect("it came to its end");

    let store = bench.open().await;
    let kinds: Vec<_> = store.standing_brakes().await.expect("brakes").iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [brake::Kind::Restored]);
    let rows = store.audit(&Default::default(), 10).await.expect("the audit");
    assert_eq!(rows.iter().map(|row| row.entry.method.as_str()).collect::<Vec<_>>(), ["restore"]);
    let lifted = store.lift_brake(brake::Kind::Restored, &Default::default(), "ops", Timestamp::now()).await;
    assert!(lifted.expect("lifted").is_some());
    store.close().await;
}

#[tokio::test]
async fn what_is_no_backup_changes_nothing() {
    let bench = Bench::new().await;
    let before = fs::read(bench.path("underlay.db")).expect("the database");
    for (name, content) in
        [("text.db", b"no database at all".to_vec()), ("cut.db", before[..before.len() / 2].to_vec())]
    {
        let file = bench.path(name);
        fs::write(&file, content).expect("a file");
        let error = bench.restore(&[&file.display().to_string()]).await.expect_err("it is no backup");
        assert!(error.to_string().contains("nothing was changed"), "{error:#}");
    }
    assert_eq!(fs::read(bench.path("underlay.db")).expect("the database"), before);
    refuse_half_done(bench.folder.path()).expect("nothing was begun");
}

#[tokio::test]
async fn the_backup_of_another_server_is_refused() {
    let (bench, other) = (Bench::new().await, Bench::new().await);
    let file = other.path("backup.db").display().to_string();
    let error = bench.restore(&[&file]).await.expect_err("another key");
    assert!(format!("{error:#}").contains("sealed under key"), "{error:#}");
}

#[tokio::test]
async fn no_server_starts_between_the_two_databases() {
    let bench = Bench::new().await;
    fs::write(bench.path(HALF_DONE), "").expect("the mark");
    let error = refuse_half_done(bench.folder.path()).expect_err("halfway");
    assert!(error.to_string().contains("underlay restore FILE"), "{error}");
    bench.restore_backup().await.expect("run again");
    refuse_half_done(bench.folder.path()).expect("it came to its end");
}

#[tokio::test]
async fn a_server_that_runs_is_left_alone() {
    let bench = Bench::new().await;
    let _runs = lock::take(bench.folder.path()).expect("the lock");
    let error = bench.restore_backup().await.expect_err("it runs");
    assert!(error.to_string().contains("another server runs"), "{error}");
}

#[tokio::test]
async fn a_database_that_was_put_back_by_other_tools_is_made_harmless_in_place() {
    let bench = Bench::new().await;
    bench.restore(&["--in-place"]).await.expect("made harmless");
    let store = bench.open().await;
    assert_eq!(store.standing_brakes().await.expect("brakes").len(), 1);
    store.close().await;
}
