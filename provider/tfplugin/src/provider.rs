//! A provider: its configuration, and the kinds of things it offers.

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::{Catalog, Diagnostics, Schema};

/// A provider.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// The `provider` block. Use a struct without fields if there is nothing to configure.
    type Config: Schema;
    /// What [`Provider::configure`] makes of it: a client, shared by all operations.
    type Data: Send + Sync + 'static;

    /// The name that type names start with: `underlay` in `underlay_host`.
    fn type_name(&self) -> &'static str;

    /// Lists the resources, data sources, ephemeral resources and functions.
    fn register(&self, catalog: &mut Catalog<Self::Data>);

    /// Checks what single attributes cannot tell. Values may be unknown.
    fn validate(&self, _config: &Self::Config, _diagnostics: &mut Diagnostics) {}

    /// Makes the shared data. Called during plan too, with unknown values where the configuration depends on something not
    /// built yet: do not fail then, and connect only when an operation needs it.
    async fn configure(&self, setup: &mut Setup, config: Self::Config) -> Result<Self::Data, Diagnostics>;
}

/// What a provider has at hand while it is configured.
#[derive(Debug)]
pub struct Setup {
    /// The version of Terraform or OpenTofu.
    pub terraform_version: String,
    /// Messages for the user.
    pub diagnostics: Diagnostics,
    /// Cancelled when the user interrupts Terraform; background work of the provider ends with it.
    pub stop: CancellationToken,
}
