//! An image in the making: a directory under `tmp/` with a lock that lives as long as its process.
//!
//! The kernel drops the lock when the process dies, however it dies, so a directory whose lock can be had is dead. The
//! store's own lock keeps the moment between making a directory and locking it out of a cleaner's sight.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use underlay_core::image::Manifest;

use super::{DATA, Error, IMAGES, LOCK, MANIFEST, TMP, sync_directory};

/// The part of a staging directory that is published.
const IMAGE: &str = "image";
/// A source that must be read whole before it can be encoded.
const SOURCE: &str = "source";

/// A directory that is removed with everything in it when this is dropped.
#[derive(Debug)]
pub(crate) struct Staging {
    root: PathBuf,
    path: PathBuf,
    _lock: File,
}

impl Staging {
    /// Makes one in the store at `root`.
    pub(crate) fn begin(root: &Path) -> Result<Self, Error> {
        let path = unique(root);
        let store_lock = open_lock(&root.join(LOCK))?;
        store_lock.lock_shared().map_err(|source| Error::write(&root.join(LOCK), source))?;
        let begun = fs::create_dir(&path).and_then(|()| {
            fs::create_dir(path.join(IMAGE))?;
            let lock = File::create(path.join(LOCK))?;
            lock.lock().map(|()| lock)
        });
        match begun {
            Ok(lock) => Ok(Self { root: root.to_owned(), path, _lock: lock }),
            Err(source) => {
                // What was made of it goes at once; if not, the next cleaning finds it.
                let _ = fs::remove_dir_all(&path);
                Err(Error::write(&path, source))
            }
        }
    }

    /// Where the data blob goes.
    pub(crate) fn data_path(&self) -> PathBuf {
        self.path.join(IMAGE).join(DATA)
    }

    /// Where a source that has to be read whole first goes.
    pub(crate) fn source_path(&self) -> PathBuf {
        self.path.join(SOURCE)
    }

    /// Makes the image, whose data blob is `data`, durable and then visible.
    pub(crate) fn publish(self, data: &File, manifest: &Manifest) -> Result<(), Error> {
        data.sync_all().map_err(|source| Error::write(&self.data_path(), source))?;
        let image = self.path.join(IMAGE);
        let path = image.join(MANIFEST);
        File::create(&path)
            .and_then(|mut file| {
                file.write_all(manifest.to_json().as_bytes())?;
                file.sync_all()
            })
            .map_err(|source| Error::write(&path, source))?;
        sync_directory(&image)?;
        let images = self.root.join(IMAGES);
        let published = images.join(manifest.source_sha256().to_string());
        match fs::rename(&image, &published) {
            Ok(()) => sync_directory(&images),
            // Another process was first, with the same image.
            Err(error) if is_taken(&error) => Ok(()),
            Err(source) => Err(Error::write(&published, source)),
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "leftovers of an import stay until the next start");
        }
    }
}

/// A path under `tmp/` that nobody else uses.
pub(super) fn unique(root: &Path) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    root.join(TMP).join(format!("{}-{count}-{now}", std::process::id()))
}

/// Removes every directory under `tmp/` whose process is gone.
pub(super) fn clean(root: &Path) -> Result<(), Error> {
    let lock_path = root.join(LOCK);
    let store_lock = open_lock(&lock_path)?;
    store_lock.lock().map_err(|source| Error::write(&lock_path, source))?;
    let tmp = root.join(TMP);
    for entry in fs::read_dir(&tmp).map_err(|source| Error::read(&tmp, source))? {
        let path = entry.map_err(|source| Error::read(&tmp, source))?.path();
        if is_alive(&path) {
            continue;
        }
        tracing::info!(path = %path.display(), "removing the leftovers of an import");
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::write(&path, error)),
            _ => {}
        }
    }
    Ok(())
}

/// POSIX lets a file system say either when a directory with something in it is in the way.
fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists)
}

fn is_alive(path: &Path) -> bool {
    let lock = File::open(path.join(LOCK));
    lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

fn open_lock(path: &Path) -> Result<File, Error> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|source| Error::write(path, source))
}
