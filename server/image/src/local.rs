//! Files the operator allows to be imported: those beneath one directory, and nothing a link could lead to outside it.
//!
//! The kernel holds the bound (`openat2` with `RESOLVE_BENEATH`), so there is no gap between the check and the opening.
//! What is opened is a regular file: a pipe or a device could hang the import or never end.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

/// Why a file is not opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The allowed directory itself cannot be opened.
    #[error("the directory {path} for local images cannot be opened")]
    OpenRoot {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The path leads out of the allowed directory.
    #[error("{path} is not beneath {root}, the directory for local images")]
    Outside {
        /// What was asked for.
        path: PathBuf,
        /// What is allowed.
        root: PathBuf,
    },
    /// It does not exist, or may not be read.
    #[error("{path} cannot be opened")]
    Open {
        /// What was asked for.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory, pipe, socket or device.
    #[error("{0} is not a regular file")]
    NotAFile(PathBuf),
}

/// The directory beneath which files may be imported.
#[derive(Debug)]
pub struct LocalRoot {
    path: PathBuf,
    directory: File,
}

/// A file that may be imported, open for reading.
#[derive(Debug)]
pub struct LocalFile {
    pub(crate) file: File,
    pub(crate) length: u64,
}

impl LocalRoot {
    /// Allows what lies beneath `path`.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        match File::open(&path) {
            Ok(directory) => Ok(Self { path, directory }),
            Err(source) => Err(Error::OpenRoot { path, source }),
        }
    }

    /// Opens `path`, relative to the directory or absolute beneath it.
    pub fn file(&self, path: &Path) -> Result<LocalFile, Error> {
        let outside = || Error::Outside { path: path.into(), root: self.path.clone() };
        let relative =
            if path.is_absolute() { path.strip_prefix(&self.path).map_err(|_| outside())? } else { path };
        // Non-blocking, so that a pipe is opened, and then refused, instead of waited for.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let file = match openat2(&self.directory, relative, flags, Mode::empty(), resolve) {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::XDEV) => return Err(outside()),
            Err(errno) => return Err(Error::Open { path: path.into(), source: errno.into() }),
        };
        let metadata = file.metadata().map_err(|source| Error::Open { path: path.into(), source })?;
        if !metadata.is_file() {
            return Err(Error::NotAFile(path.into()));
        }
        Ok(LocalFile { file, length: metadata.len() })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_regular_files_beneath_the_root_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        let root_path = dir.path().join("root");
        std::fs::create_dir_all(root_path.join("sub")).unwrap();
        std::fs::write(root_path.join("sub/disk.raw"), b"disk").unwrap();
        std::fs::write(dir.path().join("secret"), b"secret").unwrap();
        symlink("sub/disk.raw", root_path.join("inner")).unwrap();
        symlink("../secret", root_path.join("outer")).unwrap();
        symlink("/etc/hostname", root_path.join("absolute")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, root_path.join("pipe"), Mode::RUSR).unwrap();

        let root = LocalRoot::open(&root_path).unwrap();
        assert_eq!(root.file(Path::new("sub/disk.raw")).unwrap().length, 4);
        assert_eq!(root.file(&root_path.join("sub/disk.raw")).unwrap().length, 4);
        assert_eq!(root.file(Path::new("inner")).unwrap().length, 4);
        for outside in ["../secret", "sub/../../secret", "outer", "absolute", "/etc/hostname"] {
            assert!(matches!(root.file(Path::new(outside)), Err(Error::Outside { .. })), "{outside}");
        }
        for other in ["pipe", "sub"] {
            assert!(matches!(root.file(Path::new(other)), Err(Error::NotAFile(_))), "{other}");
        }
        assert!(matches!(root.file(Path::new("absent")), Err(Error::Open { .. })));
    }
}
