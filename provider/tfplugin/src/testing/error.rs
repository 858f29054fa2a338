//! What can go wrong while a provider is driven: its own errors, and rules it breaks.

use crate::{Diagnostics, cty::Path};

/// Why an operation did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The provider answered with errors, as it may.
    #[error("the provider answered with errors: {0:?}")]
    Provider(Diagnostics),
    /// The provider broke a rule of Terraform's: a bug.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// The call itself failed.
    #[error("the call failed")]
    Call(#[from] Box<tonic::Status>),
    /// The test asked for something that is not there.
    #[error("there is no {0}")]
    Missing(String),
}

impl Error {
    /// The provider's messages, if it answered with errors.
    pub fn diagnostics(&self) -> Option<&Diagnostics> {
        match self {
            Self::Provider(diagnostics) => Some(diagnostics),
            _ => None,
        }
    }

    /// The rule that the provider broke, if it did.
    pub fn rule(&self) -> Option<Rule> {
        match self {
            Self::Violation(violation) => Some(violation.rule),
            _ => None,
        }
    }
}

impl From<tonic::Status> for Error {
    fn from(status: tonic::Status) -> Self {
        Self::Call(Box::new(status))
    }
}

/// A rule of Terraform's that a provider broke, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule:?} at {path}: {detail}")]
pub struct Violation {
    /// Which rule.
    pub rule: Rule,
    /// At which attribute.
    pub path: Path,
    /// What was there.
    pub detail: String,
}

impl Violation {
    pub(super) fn new(rule: Rule, path: &Path, detail: impl Into<String>) -> Self {
        Self { rule, path: path.clone(), detail: detail.into() }
    }
}

/// The rules that are enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// "Provider produced invalid plan": a planned value is neither what the configuration nor what the prior state says,
    /// and the provider may not choose it.
    InvalidPlan,
    /// "Provider produced inconsistent result after apply": a result differs from what was planned.
    InconsistentResult,
    /// "Provider produced inconsistent final plan": planned again with all values known, something else came out.
    InconsistentFinalPlan,
    /// A write-only value in a plan or state.
    WriteOnlyStored,
    /// An unknown value where everything must be known.
    UnknownResult,
    /// A plan to destroy that plans something, or the reverse.
    WrongNull,
    /// A value that does not fit the schema.
    Malformed,
    /// A second plan that still changes something.
    NotEmpty,
    /// An identity that is missing, unknown, or changed.
    Identity,
    /// A path to an attribute that does not exist.
    NoSuchPath,
    /// A result of a data source or an ephemeral resource that differs from its configuration.
    ConfigurationChanged,
    /// An import that yields nothing, or what cannot be read afterwards.
    EmptyImport,
}
