//! Files that only their owner may read: written whole or not at all, and refused when others can read them.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// Writes `contents` to `path` with mode 0600; a crash leaves the old file or the new one, never a part.
///
/// # Errors
/// What the file system said.
pub(crate) fn write_private(path: &Path, contents: &str) -> io::Result<()> {
    write(path, contents, 0o600)
}

/// Writes `contents` to `path` with mode 0644, as whole as [`write_private`] does.
pub(super) fn write_public(path: &Path, contents: &str) -> io::Result<()> {
    write(path, contents, 0o644)
}

fn write(path: &Path, contents: &str, mode: u32) -> io::Result<()> {
    let partial = path.with_extension(format!("partial-{}", std::process::id()));
    let _ = fs::remove_file(&partial);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&partial)?;
    file.write_all(contents.as_bytes())?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    // The name is durable once the directory is.
    if let Some(directory) = path.parent() {
        fs::File::open(directory)?.sync_all()?;
    }
    Ok(())
}

/// Reads a private file; `None` when there is none.
///
/// # Errors
/// What the file system said, or [`io::ErrorKind::PermissionDenied`] when others than the owner can read it.
pub(super) fn read_private(path: &Path) -> io::Result<Option<String>> {
    let Some(text) = read(path)? else { return Ok(None) };
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        let why = format!("others can read it; run: chmod 600 {}", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    Ok(Some(text))
}

/// Reads a file; `None` when there is none.
pub(super) fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
