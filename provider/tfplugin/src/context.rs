//! What an operation of a resource, data source or ephemeral resource has at hand besides its values.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{Diagnostic, Diagnostics, Private};

/// One operation: the configured provider's data, messages to the user, private state, and the wish to stop.
#[derive(Debug)]
pub struct Context<D> {
    data: Option<Arc<D>>,
    stop: CancellationToken,
    /// Messages for the user. An error here fails the operation, as returning one does; beside the state that create
    /// returns it taints the object.
    pub diagnostics: Diagnostics,
    /// Private state of the object, kept beside its state.
    pub private: Private,
}

impl<D> Context<D> {
    pub(crate) fn new(data: Option<Arc<D>>, stop: CancellationToken, private: Private) -> Self {
        Self { data, stop, diagnostics: Diagnostics::new(), private }
    }

    /// What the provider's `configure` returned.
    ///
    /// # Errors
    /// The provider was not configured.
    pub fn data(&self) -> Result<Arc<D>, Diagnostic> {
        self.data.clone().ok_or_else(|| {
            Diagnostic::error(
                "Provider not configured",
                "This operation needs a configured provider, and it is not.",
            )
        })
    }

    /// Cancelled when the user interrupts Terraform: return soon, with what is known so far.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Adds a warning. Terraform folds warnings of the same summary, so name the object in it.
    pub fn warn(&mut self, summary: impl Into<String>, detail: impl Into<String>) {
        self.diagnostics.warn(summary, detail);
    }
}
