//! How create and update end.

use crate::{Diagnostic, Diagnostics, cty, schema::NotKnown};

/// A state, or a failure that may carry one.
pub type Outcome<M> = Result<M, Failure<M>>;

/// An operation that failed.
#[derive(Debug, Clone)]
pub struct Failure<M> {
    /// Why.
    pub diagnostics: Diagnostics,
    /// What the object is now, if that is known. After create, a state here taints the object: the next apply destroys
    /// it. Without one, nothing is saved after create, and the prior state is kept after update.
    pub state: Option<M>,
}

impl<M> Failure<M> {
    /// A failure after which the object is in this state.
    pub fn with_state(diagnostics: impl Into<Diagnostics>, state: M) -> Self {
        Self { diagnostics: diagnostics.into(), state: Some(state) }
    }

    /// The same with its state converted.
    pub(crate) fn map<N>(self, f: impl FnOnce(M) -> N) -> Failure<N> {
        Failure { diagnostics: self.diagnostics, state: self.state.map(f) }
    }
}

impl<M> From<Diagnostics> for Failure<M> {
    fn from(diagnostics: Diagnostics) -> Self {
        Self { diagnostics, state: None }
    }
}

impl<M> From<Diagnostic> for Failure<M> {
    fn from(diagnostic: Diagnostic) -> Self {
        Diagnostics::from(diagnostic).into()
    }
}

impl<M> From<cty::Error> for Failure<M> {
    fn from(error: cty::Error) -> Self {
        Diagnostics::from(error).into()
    }
}

impl<M> From<NotKnown> for Failure<M> {
    fn from(error: NotKnown) -> Self {
        Diagnostics::from(error).into()
    }
}
