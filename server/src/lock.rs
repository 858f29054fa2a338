//! One server per data directory: a lock that the kernel gives back when its holder dies, however it dies.

use std::{fs::File, path::Path};

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};

/// Held for as long as the server runs.
#[derive(Debug)]
pub struct Held(#[expect(dead_code, reason = "open means locked")] File);

/// Take the lock of `data`.
///
/// # Errors
/// Another server holds it, or it cannot be made.
pub fn take(data: &Path) -> anyhow::Result<Held> {
    let path = data.join("lock");
    let file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Held(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            bail!("another server runs on {}; stop it, or name another directory with --data", data.display())
        }
        Err(error) => Err(error).with_context(|| format!("locking {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_serves_one_server_at_a_time() {
        let data = tempfile::tempdir().expect("a directory");
        let held = take(data.path()).expect("the first");
        let error = take(data.path()).expect_err("the second");
        assert!(error.to_string().contains("another server runs"), "{error}");
        drop(held);
        take(data.path()).expect("after the first is gone");
    }
}
