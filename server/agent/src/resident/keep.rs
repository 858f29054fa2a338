//! The agent's key, made once and kept in a file that root alone can read, so that the machine is the same host after every
//! restart. It never leaves the machine.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::places::Places;
use crate::home::identity::{self, Key};

/// A file of the agent's cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file.
    #[error("{act} {}", .path.display())]
    File {
        /// What was tried.
        act: &'static str,
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The key.
    #[error("the agent's key cannot be used")]
    Key(#[source] identity::Error),
}

pub(super) fn failed(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::File { act, path, source }
}

/// The key that is kept, or a new one, which is on the disk before anybody hears of it.
///
/// # Errors
/// It cannot be read, or written.
pub fn key(places: &Places) -> Result<Key, Error> {
    if let Some(key) = kept(places)? {
        return Ok(key);
    }
    let key = Key::generate().map_err(Error::Key)?;
    let folder = places.state_folder();
    make_folder(&folder, 0o700)?;
    write(&places.key(), 0o600, &key.to_der())?;
    Ok(key)
}

/// The key that is kept, if there is one.
///
/// # Errors
/// It cannot be read.
pub fn kept(places: &Places) -> Result<Option<Key>, Error> {
    let path = places.key();
    match fs::read(&path) {
        Ok(der) => Key::from_der(der).map(Some).map_err(Error::Key),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("reading", &path)(error)),
    }
}

pub(super) fn make_folder(path: &Path, mode: u32) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(mode).create(path).map_err(failed("making", path))
}

/// Writes a file that is whole or not there under its name, and never readable by others for a moment.
pub(super) fn write(path: &Path, mode: u32, content: &[u8]) -> Result<(), Error> {
    write_as(path, mode, content, |_| Ok(()))
}

/// The same, and `finish` is done to it before it has its name.
pub(super) fn write_as(
    path: &Path,
    mode: u32,
    content: &[u8],
    finish: impl Fn(&Path) -> io::Result<()>,
) -> Result<(), Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = path.with_file_name(format!(".{name}.underlay-part"));
    let written = || -> io::Result<()> {
        match fs::remove_file(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&part)?;
        file.write_all(content)?;
        finish(&part)?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    written().map_err(failed("writing", path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_outlives_a_restart_and_is_roots_alone() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::beneath(root.path());
        assert!(kept(&places).unwrap().is_none());
        let made = key(&places).unwrap();
        assert_eq!(key(&places).unwrap().to_der(), made.to_der());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&places.key()), mode(&places.state_folder())), (0o600, 0o700));
    }

    #[test]
    fn a_key_that_is_damaged_is_no_reason_to_make_another() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::beneath(root.path());
        key(&places).unwrap();
        fs::write(places.key(), b"junk").unwrap();
        assert!(matches!(key(&places), Err(Error::Key(_))));
    }
}
