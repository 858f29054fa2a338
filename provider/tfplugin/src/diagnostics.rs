//! What a user reads when something is wrong or worth knowing, and which line of the configuration it is about.
//!
//! A summary is one line and names the object; the detail says why, what was done about it, and what to do next.
//! Terraform folds warnings with the same summary into one.

use crate::{cty, cty::Path, proto::tfplugin6 as pb};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The operation failed.
    Error,
    /// The operation went on.
    Warning,
}

/// One message to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// One line.
    pub summary: String,
    /// Free text, possibly empty.
    pub detail: String,
    /// The attribute to blame; Terraform shows its source line.
    pub path: Option<Path>,
}

impl Diagnostic {
    /// An error about the whole object.
    pub fn error(summary: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { severity: Severity::Error, summary: summary.into(), detail: detail.into(), path: None }
    }

    /// A warning about the whole object.
    pub fn warning(summary: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, summary: summary.into(), detail: detail.into(), path: None }
    }

    /// The same, blamed on an attribute.
    #[must_use]
    pub fn at(mut self, path: impl Into<Path>) -> Self {
        self.path = Some(path.into());
        self
    }

    pub(crate) fn to_proto(&self) -> pb::Diagnostic {
        let severity = match self.severity {
            Severity::Error => pb::diagnostic::Severity::Error,
            Severity::Warning => pb::diagnostic::Severity::Warning,
        };
        let path = self.path.as_ref().map(Path::to_proto).filter(|path| !path.steps.is_empty());
        pb::Diagnostic {
            severity: severity.into(),
            summary: self.summary.clone(),
            detail: self.detail.clone(),
            attribute: path,
        }
    }

    pub(crate) fn from_proto(wire: &pb::Diagnostic) -> Self {
        let severity = match wire.severity() {
            pb::diagnostic::Severity::Warning => Severity::Warning,
            _ => Severity::Error,
        };
        let path = wire.attribute.as_ref().map(Path::from_proto);
        Self { severity, summary: wire.summary.clone(), detail: wire.detail.clone(), path }
    }
}

/// A value of the wrong shape, blamed on where it is.
impl From<cty::Error> for Diagnostic {
    fn from(error: cty::Error) -> Self {
        let at = error.path.clone();
        Self::error(format!("Invalid value for {at}"), error.problem.to_string()).at(at)
    }
}

/// The messages of one operation, in the order in which they came up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// No messages.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a message.
    pub fn push(&mut self, diagnostic: impl Into<Diagnostic>) {
        self.0.push(diagnostic.into());
    }

    /// Adds a warning about the whole object.
    pub fn warn(&mut self, summary: impl Into<String>, detail: impl Into<String>) {
        self.push(Diagnostic::warning(summary, detail));
    }

    /// Adds an error about the whole object.
    pub fn error(&mut self, summary: impl Into<String>, detail: impl Into<String>) {
        self.push(Diagnostic::error(summary, detail));
    }

    /// Adds an error blamed on an attribute.
    pub fn error_at(&mut self, path: impl Into<Path>, summary: impl Into<String>, detail: impl Into<String>) {
        self.push(Diagnostic::error(summary, detail).at(path));
    }

    /// Adds all of another operation's messages.
    pub fn extend(&mut self, other: Diagnostics) {
        self.0.extend(other.0);
    }

    /// Whether any of them is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The messages.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }

    /// The errors as the `Err` of a result, warnings with them.
    ///
    /// # Errors
    /// All messages, if any of them is an error.
    pub fn into_result(self) -> Result<(), Diagnostics> {
        if self.has_errors() { Err(self) } else { Ok(()) }
    }

    pub(crate) fn to_proto(&self) -> Vec<pb::Diagnostic> {
        self.0.iter().map(Diagnostic::to_proto).collect()
    }

    pub(crate) fn from_proto(wire: &[pb::Diagnostic]) -> Self {
        Self(wire.iter().map(Diagnostic::from_proto).collect())
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(one: Diagnostic) -> Self {
        Self(vec![one])
    }
}

impl From<cty::Error> for Diagnostics {
    fn from(error: cty::Error) -> Self {
        Diagnostic::from(error).into()
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(all: I) -> Self {
        Self(all.into_iter().collect())
    }
}
