//! `underlay restore`: a backup of the database put back while the server is stopped.
//!
//! What was put back is made harmless before it takes the database's place: its leases, boot tokens, boot plans and
//! orders are void, what was under way is called off, and the server is on hold until somebody confirms. Killed at any
//! point, the database is the old one or the new one; in between no server starts, and the restore is simply run again.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail, ensure};
use clap::Args;
use underlay_store::{Kept, SealingKey, Store, Voided};

use crate::{config::Stopped, lock};

/// What to put back, and where.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    server: Stopped,
    /// The backup, as `underlay backup` wrote it
    #[arg(required_unless_present = "in_place")]
    file: Option<PathBuf>,
    /// The database is a restored one already (a Postgres after pg_restore): only make it harmless
    #[arg(long, conflicts_with = "file")]
    in_place: bool,
    /// Keep the API tokens of the backup; one that was revoked since is good again then
    #[arg(long)]
    keep_api_tokens: bool,
}

/// The file that stands while the old database is taken away and the new one is not there yet.
const HALF_DONE: &str = "restore-half-done";

/// Put back and say what to do next.
pub fn main(arguments: Arguments) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result =
        runtime.context("starting the runtime").and_then(|runtime| runtime.block_on(restore(arguments)));
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

/// For a server that starts: a restore was killed halfway, and what lies in the data directory is neither the old nor
/// the new database.
///
/// # Errors
/// It is so.
pub fn refuse_half_done(data: &Path) -> anyhow::Result<()> {
    if !data.join(HALF_DONE).exists() {
        return Ok(());
    }
    bail!("a restore into {} did not come to its end; run it again: underlay restore FILE", data.display())
}

async fn restore(arguments: Arguments) -> anyhow::Result<String> {
    let settings = arguments.server.settings()?;
    let data = settings.data();
    // What is made here is as private as what it replaces.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let key_file = settings.sealing_key();
    ensure!(
        key_file.exists(),
        "there is no sealing key at {}; a backup opens only with the key of its server, see --sealing-key",
        key_file.display()
    );
    fs::create_dir_all(&data).with_context(|| format!("making {}", data.display()))?;
    let _alone = lock::take(&data)?;
    let key = SealingKey::load_or_create(&key_file).context("the sealing key")?;
    let kept = if arguments.keep_api_tokens { Kept::ApiTokens } else { Kept::Nothing };
    let Some(file) = arguments.file else {
        let voided = make_harmless(&settings.database(), key, kept).await?;
        return Ok(said("The database", None, voided));
    };
    ensure!(
        !settings.database().starts_with("postgres"),
        "the database is a Postgres: run pg_restore, then: underlay restore --in-place"
    );
    let database = settings.database();
    ensure!(
        !database.starts_with("sqlite:"),
        "name the database as a plain path to restore it, not as {database}"
    );
    let database = PathBuf::from(database);
    recognise(&file)
        .with_context(|| format!("{} cannot be restored, nothing was changed", file.display()))?;
    let staged = data.join("restoring.db");
    for name in leftovers(&staged) {
        remove(&name)?;
    }
    fs::copy(&file, &staged).with_context(|| format!("copying {}", file.display()))?;
    // A database that does not open, or is not whole, is found out before anything is taken away.
    let voided = make_harmless(&staged.display().to_string(), key, kept)
        .await
        .with_context(|| format!("{} cannot be restored, nothing was changed", file.display()))?;
    let old = put_in_place(&data, &staged, &database)?;
    Ok(said(&file.display().to_string(), old.as_deref(), voided))
}

/// Is it a whole SQLite file, as far as its header tells (https://www.sqlite.org/fileformat.html, 1.3)?
fn recognise(file: &Path) -> anyhow::Result<()> {
    let mut header = [0; 100];
    let mut opened = fs::File::open(file).context("opening it")?;
    let size = opened.metadata().context("opening it")?.len();
    ensure!(
        opened.read_exact(&mut header).is_ok() && header.starts_with(b"SQLite format 3\0"),
        "it is no database"
    );
    let page = header.get(16..18).and_then(|bytes| bytes.first_chunk().copied()).unwrap_or_default();
    let page = match u64::from(u16::from_be_bytes(page)) {
        1 => 65_536,
        page => page,
    };
    let pages = header.get(28..32).and_then(|bytes| bytes.first_chunk().copied()).unwrap_or_default();
    let pages = u64::from(u32::from_be_bytes(pages));
    ensure!(page * pages == size, "it is cut short: {size} of {} bytes", page * pages);
    Ok(())
}

/// Opens, checks, migrates and voids, and leaves one file without a journal beside it.
async fn make_harmless(database: &str, key: SealingKey, kept: Kept) -> anyhow::Result<Voided> {
    let store = Store::open(database, key).await.context("opening it")?;
    if let Some(fault) = store.check().await.context("checking it")? {
        bail!("it is damaged: {fault}");
    }
    let by = format!("underlay restore (uid {})", rustix::process::getuid().as_raw());
    let voided = store.void_after_restore(&by, kept, underlay_core::clock::now()).await;
    let voided = voided.context("making it harmless")?;
    store.close().await;
    Ok(voided)
}

/// Swaps the staged database in. Returns where the old one is now.
fn put_in_place(data: &Path, staged: &Path, database: &Path) -> anyhow::Result<Option<PathBuf>> {
    let journal = beside(staged, "-wal");
    ensure!(
        fs::metadata(&journal).map_or(0, |journal| journal.len()) == 0,
        "the staged database has an open journal; run the restore again"
    );
    sync(staged)?;
    let half_done = data.join(HALF_DONE);
    fs::write(&half_done, "run the restore again\n").context("noting that a restore is under way")?;
    sync(&half_done)?;
    sync(data)?;
    let mut old = None;
    if database.exists() {
        let aside = free_name(database);
        for suffix in ["-wal", "-shm", ""] {
            let (from, to) = (beside(database, suffix), beside(&aside, suffix));
            match fs::rename(&from, &to) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other.with_context(|| format!("setting {} aside", from.display()))?,
            }
        }
        old = Some(aside);
    }
    for suffix in ["-wal", "-shm"] {
        remove(&beside(database, suffix))?;
    }
    fs::rename(staged, database).with_context(|| format!("naming the database {}", database.display()))?;
    for name in leftovers(staged) {
        remove(&name)?;
    }
    sync(database.parent().unwrap_or(data))?;
    remove(&half_done)?;
    Ok(old)
}

fn leftovers(database: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| beside(database, suffix))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A name beside `database` that nothing has.
fn free_name(database: &Path) -> PathBuf {
    let named = |number: u32| beside(database, &format!(".before-restore-{number}"));
    (1..).map(named).find(|path| !path.exists()).unwrap_or_else(|| named(0))
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.with_context(|| format!("removing {}", path.display())),
    }
}

fn sync(path: &Path) -> anyhow::Result<()> {
    let file = fs::File::open(path).with_context(|| format!("opening {}", path.display()))?;
    file.sync_all().with_context(|| format!("writing {}", path.display()))
}

fn said(what: &str, old: Option<&Path>, voided: Voided) -> String {
    let Voided { operations, deletions, api_tokens } = voided;
    let mut text = format!(
        "{what} is restored, and the server on hold: started now it switches nothing and images nothing, and every\n\
         machine boots its own disk.\n\
         Void: all leases, boot tokens, boot plans and orders to agents; {api_tokens} API tokens.\n\
         Called off: {operations} operations (apply again), {deletions} deletions (destroy again).\n"
    );
    if let Some(old) = old {
        text.push_str(&format!("The database of before is kept as {}.\n", old.display()));
    }
    text.push_str(
        "Start the server, compare what it believes with what is so (underlay get machines --all-owners), then\n\
         confirm: underlay resume",
    );
    text
}

#[cfg(test)]
mod tests;
