//! What went wrong, in the four parts a reader needs, and the one classification that engine, API and provider read.

use serde::{Deserialize, Serialize};

/// What may be done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// Worth trying again: a timeout, a busy BMC, a lost connection.
    Transient,
    /// Trying again changes nothing until somebody acts.
    Permanent,
    /// What was asked for is wrong.
    Invalid,
}

/// One failure as a person reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{what}: {why}. {done}. {next}")]
pub struct Failure {
    /// May it be tried again?
    pub kind: ErrorKind,
    /// What failed: object and step ("machine web-0: writing the image").
    pub what: String,
    /// The evidence ("sha256 of the source is 91ac.., 77e0.. was promised").
    pub why: String,
    /// What was done about it ("the disk was not touched").
    pub done: String,
    /// What to do next, an exact command or line where there is one.
    pub next: String,
    /// Does the evidence speak against the host itself? Only then may the host be quarantined.
    #[serde(default)]
    pub blames_host: bool,
    /// The attribute that is to blame, as a dotted path ("root.min_size"), where one is.
    #[serde(default)]
    pub attribute: Option<String>,
}

impl Failure {
    /// A failure with its four parts; see the fields.
    pub fn new(
        kind: ErrorKind,
        what: impl Into<String>,
        why: impl Into<String>,
        done: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            what: what.into(),
            why: why.into(),
            done: done.into(),
            next: next.into(),
            blames_host: false,
            attribute: None,
        }
    }

    /// The same failure, with the attribute that is to blame.
    #[must_use]
    pub fn at(mut self, attribute: impl Into<String>) -> Self {
        self.attribute = Some(attribute.into());
        self
    }

    /// The same failure, held against the host.
    #[must_use]
    pub fn blaming_host(mut self) -> Self {
        self.blames_host = true;
        self
    }
}

/// One thing wrong with a spec, at an attribute path such as `network.vlans.v220.id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{attribute}: {message}")]
pub struct FieldError {
    /// Dotted path from the spec's root; list positions as numbers.
    pub attribute: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl FieldError {
    /// An error at `attribute`.
    pub fn new(attribute: impl Into<String>, message: impl Into<String>) -> Self {
        Self { attribute: attribute.into(), message: message.into() }
    }
}

/// What is at the bottom of an error, in words: of an HTTP client's "error sending request: client error (Connect): tcp
/// connect error: Connection refused (os error 111)" a reader needs "Connection refused".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Cause(String);

impl Cause {
    /// The source of all sources of `error`; where there is none, `error` itself.
    pub fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        let last = std::iter::successors(Some(error), |error| error.source()).last();
        let text = last.unwrap_or(error).to_string();
        Self(text.split(" (os error ").next().unwrap_or_default().to_owned())
    }
}

/// `error: source: source`, at most 600 characters.
pub fn because(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(next) = source {
        text.push_str(": ");
        text.push_str(&next.to_string());
        source = next.source();
    }
    match text.char_indices().nth(600) {
        Some((end, _)) => format!("{}..", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// Is a full disk at the bottom of it? Databases say so in words only, each in its own.
pub fn is_for_want_of_room(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| {
        let text = error.to_string();
        ["disk is full", "No space left on device"].iter().any(|words| text.contains(words))
    })
}

#[cfg(test)]
mod tests {
    use std::{error::Error, fmt, io};

    use super::{Cause, is_for_want_of_room};

    #[derive(Debug)]
    struct Wrapped(io::Error);

    impl fmt::Display for Wrapped {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("error sending request")
        }
    }

    impl Error for Wrapped {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn the_cause_is_at_the_bottom() {
        let refused = io::Error::from_raw_os_error(111);
        assert_eq!(Cause::of(&Wrapped(refused)).to_string(), "Connection refused");
        assert_eq!(Cause::of(&fmt::Error).to_string(), fmt::Error.to_string());
    }

    #[test]
    fn a_full_disk_is_known_by_what_the_system_or_a_database_says() {
        assert!(is_for_want_of_room(&Wrapped(io::Error::from_raw_os_error(28))));
        assert!(is_for_want_of_room(&Wrapped(io::Error::other("(code: 13) database or disk is full"))));
        assert!(!is_for_want_of_room(&Wrapped(io::Error::from_raw_os_error(111))));
    }
}
