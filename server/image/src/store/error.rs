//! What can go wrong in the store.

use std::{
    io,
    path::{Path, PathBuf},
};

use underlay_core::{
    ErrorKind,
    image::{Sha256, manifest},
};

use crate::segment;

/// Each names the file or the image.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such image.
    #[error("there is no image {0} in the store")]
    NotFound(Sha256),
    /// The file system is full, or a quota is.
    #[error("no room is left for {path}")]
    Full {
        /// What was being written.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Writing failed.
    #[error("{path} cannot be written")]
    Write {
        /// What was being written.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Reading failed.
    #[error("{path} cannot be read")]
    Read {
        /// What was being read.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The manifest of a published image is damaged.
    #[error("the manifest of image {id} is damaged")]
    Manifest {
        /// The image.
        id: Sha256,
        /// How.
        source: manifest::Error,
    },
    /// The manifest of a published image is another's.
    #[error("the manifest of image {id} is that of image {found}")]
    Foreign {
        /// The image.
        id: Sha256,
        /// Whose manifest lies there.
        found: Sha256,
    },
    /// The data blob of a published image is too short or too long.
    #[error("the data of image {id} has {found} bytes instead of {expected}")]
    DataLength {
        /// The image.
        id: Sha256,
        /// What the manifest says.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// A segment of a published image is damaged.
    #[error("the data of image {id} is damaged")]
    Data {
        /// The image.
        id: Sha256,
        /// Which segment, and how.
        source: segment::Error,
    },
    /// A range beyond the data blob.
    #[error("bytes {offset}+{length} were asked of {stored} stored bytes")]
    Range {
        /// Where the range begins.
        offset: u64,
        /// How long it is.
        length: u64,
        /// How many bytes are stored.
        stored: u64,
    },
    /// The thread that did the work is gone.
    #[error("the work in the store ended without an answer")]
    Lost,
}

impl Error {
    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::Full { path, source },
            _ => Error::Write { path, source },
        }
    }

    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Error::Read { path: path.to_owned(), source }
    }

    /// May it be tried again?
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::NotFound(_) | Error::Range { .. } => ErrorKind::Invalid,
            Error::Lost => ErrorKind::Transient,
            _ => ErrorKind::Permanent,
        }
    }
}
