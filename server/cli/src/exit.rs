//! Exit codes: a script can tell what kind of failure it was.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | anything not named below |
//! | 2 | the command line is wrong |
//! | 3 | there is no such object |
//! | 4 | not allowed: no token, a wrong one, or one that may not do this |
//! | 5 | the server does not answer |
//! | 6 | the object that was watched failed |
//! | 7 | refused as things stand: in use, protected, changed meanwhile |

use tonic::{Code, Status};
use underlay_proto::{ERROR_DETAIL_KEY, v1};

/// Why a verb did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server said no.
    #[error("{}", told(.0))]
    Refused(Box<Status>),
    /// The server could not be reached at all.
    #[error(
        "cannot reach the server at {endpoint}: {why}. Is it running (underlay serve), and is UNDERLAY_ENDPOINT right?"
    )]
    Unreachable {
        /// Where it was looked for.
        endpoint: String,
        /// What the network said.
        why: String,
    },
    /// What was watched ended in failure.
    #[error("{0}")]
    Failed(String),
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// Something on this side.
    #[error("{0:#}")]
    Local(#[from] anyhow::Error),
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

impl Error {
    /// The exit code; see the table above.
    pub fn code(&self) -> u8 {
        match self {
            Error::Usage(_) => 2,
            Error::Unreachable { .. } => 5,
            Error::Failed(_) => 6,
            Error::Local(_) => 1,
            Error::Refused(status) => match status.code() {
                Code::InvalidArgument | Code::OutOfRange => 2,
                Code::NotFound => 3,
                Code::Unauthenticated | Code::PermissionDenied => 4,
                Code::Unavailable | Code::DeadlineExceeded => 5,
                Code::FailedPrecondition | Code::Aborted | Code::AlreadyExists | Code::ResourceExhausted => 7,
                _ => 1,
            },
        }
    }
}

/// The server's four parts and field errors, where it sent them.
fn told(status: &Status) -> String {
    let detail = status
        .metadata()
        .get_bin(ERROR_DETAIL_KEY)
        .and_then(|value| value.to_bytes().ok())
        .and_then(|bytes| <v1::ErrorDetail as prost::Message>::decode(bytes).ok());
    let Some(detail) = detail else { return status.message().to_owned() };
    let mut lines: Vec<String> = match &detail.failure {
        Some(failure) => vec![crate::output::failure(failure)],
        None => vec![status.message().to_owned()],
    };
    lines.extend(detail.fields.iter().map(|field| format!("  {}: {}", field.attribute, field.message)));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_failure_has_its_own_exit_code() {
        let code = |code| Error::from(Status::new(code, "")).code();
        assert_eq!(code(Code::NotFound), 3);
        assert_eq!(code(Code::PermissionDenied), 4);
        assert_eq!(code(Code::Unavailable), 5);
        assert_eq!(code(Code::FailedPrecondition), 7);
        assert_eq!(code(Code::Internal), 1);
    }
}
