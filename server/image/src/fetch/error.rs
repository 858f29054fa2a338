//! Why a source cannot be fetched.

use reqwest::StatusCode;
use underlay_core::{Cause, ErrorKind};

use crate::source::Url;

/// Each names the URL without its query.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process has no default rustls crypto provider, or no trust store.
    #[error("no HTTP client can be made: {0}")]
    NoClient(&'static str),
    /// The HTTP client cannot be made.
    #[error("no HTTP client can be made")]
    BuildClient(#[source] reqwest::Error),
    /// No connection, or none that answers.
    #[error("{url} cannot be reached ({attempts} attempts)")]
    Unreachable {
        /// What was asked for.
        url: Url,
        /// How often in a row.
        attempts: u32,
        /// What the last one said.
        source: Cause,
    },
    /// It redirects to another scheme, or for ever.
    #[error("{url} redirects where we do not follow")]
    Redirect {
        /// What was asked for.
        url: Url,
        /// Where to, and why not; nothing where the answer names no http or https URL.
        source: Option<reqwest::Error>,
    },
    /// An answer that is not the file.
    #[error("{url} answers {status} ({attempts} attempts)")]
    Status {
        /// What was asked for.
        url: Url,
        /// The answer.
        status: StatusCode,
        /// How often in a row.
        attempts: u32,
    },
    /// The connection keeps ending before the file does.
    #[error("{url} ends after {received} of {} bytes ({attempts} attempts to go on)", show(*.expected))]
    Truncated {
        /// What was asked for.
        url: Url,
        /// How many bytes arrived.
        received: u64,
        /// How many were announced.
        expected: Option<u64>,
        /// How often in a row no byte more arrived.
        attempts: u32,
        /// What the last one said.
        source: Option<Cause>,
    },
    /// It announces, or sends, more than is accepted.
    #[error("{url} has {length} bytes or more, at most {limit} are accepted")]
    TooLarge {
        /// What was asked for.
        url: Url,
        /// What was announced, or has arrived.
        length: u64,
        /// [`crate::Limits::source`].
        limit: u64,
    },
    /// Another file was put in its place while it was being fetched.
    #[error("{url} changed while it was being fetched ({what})")]
    Changed {
        /// What was asked for.
        url: Url,
        /// How we know.
        what: &'static str,
    },
    /// Whoever wanted the bytes went away.
    #[error("the fetch was abandoned")]
    Abandoned,
}

impl Error {
    /// May it be tried again?
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Unreachable { .. }
            | Error::Truncated { .. }
            | Error::Changed { .. }
            | Error::Abandoned => ErrorKind::Transient,
            Error::Status { status, .. } if is_passing(*status) => ErrorKind::Transient,
            Error::NoClient(_) | Error::BuildClient(_) => ErrorKind::Permanent,
            Error::Status { .. } | Error::Redirect { .. } | Error::TooLarge { .. } => ErrorKind::Invalid,
        }
    }
}

/// Statuses that a server sends when it cannot now but may later (RFC 9110 section 15, RFC 6585 section 4).
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

fn show(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "an unknown number of".into(), |bytes| bytes.to_string())
}
