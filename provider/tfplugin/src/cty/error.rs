//! What is wrong with a value, and where in it.

use super::Path;

/// A value that does not fit: the place and the problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct Error {
    /// Where in the value, from its root.
    pub path: Path,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Another type was expected.
    #[error("expected {expected}, got {got}")]
    Mismatch {
        /// The type that was asked for.
        expected: String,
        /// What was there.
        got: String,
    },
    /// The value is not known until apply, and the reader needs it now.
    #[error("the value is not known yet")]
    Unknown,
    /// The value is null, and the reader needs one.
    #[error("the value is null")]
    Null,
    /// An attribute the type has is not there.
    #[error("the attribute is missing")]
    Missing,
    /// An attribute the type does not have.
    #[error("there is no such attribute")]
    Unexpected,
    /// Text that is not a number, or a number that does not fit.
    #[error("{0} is not a number that fits here")]
    Number(String),
    /// Nested deeper, larger or longer than [`super::MAX_DEPTH`], [`super::MAX_NODES`] or [`super::MAX_DIGITS`] allow.
    #[error("the value is too large or too deeply nested")]
    TooLarge,
    /// The bytes are not valid MessagePack, JSON or UTF-8.
    #[error("malformed data: {0}")]
    Malformed(String),
    /// The value is well formed and of the right type, but not one of those allowed.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    /// A problem at a place.
    pub fn new(path: &Path, problem: Problem) -> Self {
        Self { path: path.clone(), problem }
    }

    /// A type that does not match.
    pub(crate) fn mismatch(path: &Path, expected: impl ToString, got: impl ToString) -> Self {
        Self::new(path, Problem::Mismatch { expected: expected.to_string(), got: got.to_string() })
    }

    /// Whether the value only has to become known for the reader to succeed.
    pub fn is_unknown(&self) -> bool {
        self.problem == Problem::Unknown
    }
}
