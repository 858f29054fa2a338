//! Where bytes of an image come from: ranges of named blobs. The boot endpoint is one, a test's script another.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use underlay_core::ErrorKind;

#[cfg(test)]
pub mod fake;

/// Something that can be read from any byte on.
#[async_trait]
pub trait Source: Send + Sync {
    /// Begins to read `range` of the blob at `path`.
    async fn open(&self, path: &str, range: Range<u64>) -> Result<Box<dyn Body>, Error>;
}

/// Bytes as they arrive.
#[async_trait]
pub trait Body: Send {
    /// The next ones; `None` when the sender has no more. That it sent all it promised is the caller's to check.
    async fn chunk(&mut self) -> Result<Option<Bytes>, Error>;
}

/// Reading did not work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection, or it broke.
    #[error("reading {path}: the connection was lost")]
    Lost {
        /// What was read.
        path: String,
        /// The evidence.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Nothing came for too long.
    #[error("reading {path}: the server fell silent")]
    Silent {
        /// What was read.
        path: String,
    },
    /// The server ended the answer early.
    #[error("reading {path}: the answer ended {missing} bytes early")]
    Truncated {
        /// What was read.
        path: String,
        /// How much was still to come of the part that was being read.
        missing: u64,
    },
    /// The server answered something else.
    #[error("reading {path}: the server answers with status {status}")]
    Status {
        /// What was read.
        path: String,
        /// HTTP status.
        status: u16,
    },
    /// The server sent other bytes than were asked for.
    #[error("reading {path}: the server answers with another range")]
    Range {
        /// What was read.
        path: String,
    },
    /// More than may be.
    #[error("reading {path}: more than {most} bytes")]
    TooLong {
        /// What was read.
        path: String,
        /// The bound.
        most: usize,
    },
}

impl Error {
    /// A server that is away, starting, or busy may be asked again; one that says no will say so again.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Lost { .. } | Error::Silent { .. } | Error::Truncated { .. } => ErrorKind::Transient,
            Error::Status { status, .. } if *status >= 500 || matches!(status, 408 | 425 | 429) => {
                ErrorKind::Transient
            }
            Error::Status { .. } | Error::Range { .. } | Error::TooLong { .. } => ErrorKind::Permanent,
        }
    }
}
