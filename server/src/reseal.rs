//! `underlay reseal`: every secret of a stopped server sealed anew, under another key, in one transaction.
//!
//! Killed at any point, the database is sealed under one of the two keys, whole, and opens under no other.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, ensure};
use clap::Args;
use underlay_store::{SealingKey, Store, audit::Entry};

use crate::{config::Stopped, lock};

/// What to seal, and under which key.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    server: Stopped,
    /// File with the new key, 64 hex digits; made with a fresh one if it is not there
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

/// Seal anew and say what to do next.
pub fn main(arguments: Arguments) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result =
        runtime.context("starting the runtime").and_then(|runtime| runtime.block_on(reseal(arguments)));
    match result {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("underlay: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn reseal(Arguments { server, to }: Arguments) -> anyhow::Result<String> {
    let settings = server.settings()?;
    let old = settings.sealing_key();
    ensure!(old.exists(), "there is no sealing key at {}; name its file with --sealing-key", old.display());
    let _alone = lock::take(&settings.data())?;
    let key = SealingKey::load_or_create(&old).context("the sealing key")?;
    let new = SealingKey::load_or_create(&to).context("the new sealing key")?;
    ensure!(new.id() != key.id(), "{} holds the key that is in use already", to.display());
    let store = Store::open(&settings.database(), key).await.context("opening the database")?;
    store.reseal(new).await.context("sealing anew; nothing is changed")?;
    let by = format!("underlay reseal (uid {})", rustix::process::getuid().as_raw());
    let (via, method, outcome) = ("this machine".into(), "reseal".into(), "Ok".into());
    let row = Entry { who: by, via, method, outcome, ..Entry::default() };
    store.add_to_audit(row).await.context("writing it into the audit")?;
    store.close().await;
    let (old, to) = (old.display(), to.display());
    Ok(format!(
        "All secrets are sealed under the key in {to}.\n\
         Start the server with it:  underlay serve --sealing-key {to}\n\
         Keep {old} for as long as backups of the database from before now are kept."
    ))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn arguments(data: &str, to: &str) -> Arguments {
        Line::parse_from(["reseal", "--data", data, "--to", to]).arguments
    }

    #[tokio::test]
    async fn a_resealed_database_opens_under_the_new_key_alone() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let data = folder.path().display().to_string();
        let old = SealingKey::load_or_create(path("sealing.key").as_ref()).expect("a key");
        Store::open(&path("underlay.db"), old.clone()).await.expect("a database").close().await;

        let said = reseal(arguments(&data, &path("new.key"))).await.expect("resealed");
        assert!(said.contains("--sealing-key"), "{said}");

        Store::open(&path("underlay.db"), old).await.expect_err("the old key");
        let new = SealingKey::load_or_create(path("new.key").as_ref()).expect("the new key");
        Store::open(&path("underlay.db"), new).await.expect("the new key opens it").close().await;
    }

    #[tokio::test]
    async fn a_server_that_runs_is_left_alone() {
        let folder = tempfile::tempdir().expect("a directory");
        let data = folder.path().display().to_string();
        SealingKey::load_or_create(&folder.path().join("sealing.key")).expect("a key");
        let _runs = lock::take(folder.path()).expect("the lock");
        let to = folder.path().join("new.key");
        let error = reseal(arguments(&data, &to.display().to_string())).await.expect_err("it runs");
        assert!(error.to_string().contains("another server runs"), "{error}");
        assert!(!to.exists(), "no key is made for nothing");
    }
}
