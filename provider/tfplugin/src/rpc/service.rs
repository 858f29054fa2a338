//! A provider, and what was configured.

use std::sync::{Arc, PoisonError, RwLock};

use tokio_util::sync::CancellationToken;

use crate::{
    Catalog, Context, Diagnostic, Diagnostics, Private, Provider,
    data_source::AnyDataSource,
    ephemeral::AnyEphemeral,
    resource::AnyResource,
    schema::{Block, Schema},
};

/// The gRPC service of a provider. Clones share what was configured.
pub struct Service<P: Provider>(Arc<Shared<P>>);

pub(super) struct Shared<P: Provider> {
    pub(super) provider: P,
    pub(super) block: Block,
    pub(super) catalog: Catalog<P::Data>,
    data: RwLock<Option<Arc<P::Data>>>,
    stop: RwLock<CancellationToken>,
}

impl<P: Provider> Clone for Service<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P: Provider> Service<P> {
    /// The service of a provider that is not configured yet.
    pub fn new(provider: P) -> Self {
        let mut catalog = Catalog::new();
        provider.register(&mut catalog);
        let block = Block::new(P::Config::description(), P::Config::attributes());
        Self(Arc::new(Shared { provider, block, catalog, data: RwLock::default(), stop: RwLock::default() }))
    }

    /// Cancelled once the host asked to stop.
    pub fn stop(&self) -> CancellationToken {
        self.0.stop.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A provider that serves several runs, in debug mode, is not stopped for ever: configuring it starts anew.
    pub(super) fn restart(&self) -> CancellationToken {
        let mut stop = self.0.stop.write().unwrap_or_else(PoisonError::into_inner);
        if stop.is_cancelled() {
            *stop = CancellationToken::new();
        }
        stop.clone()
    }

    pub(super) fn shared(&self) -> &Shared<P> {
        &self.0
    }

    pub(super) fn set_data(&self, data: P::Data) {
        *self.0.data.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(data));
    }

    pub(super) fn context(&self, private: &[u8]) -> Context<P::Data> {
        let data = self.0.data.read().unwrap_or_else(PoisonError::into_inner).clone();
        Context::new(data, self.stop(), Private::from_bytes(private))
    }

    pub(super) fn resource(&self, name: &str) -> Result<&dyn AnyResource<P::Data>, Diagnostics> {
        self.0
            .catalog
            .resources
            .get(name)
            .map(|entry| &**entry)
            .ok_or_else(|| not_offered("resource type", name))
    }

    pub(super) fn data_source(&self, name: &str) -> Result<&dyn AnyDataSource<P::Data>, Diagnostics> {
        self.0
            .catalog
            .data_sources
            .get(name)
            .map(|entry| &**entry)
            .ok_or_else(|| not_offered("data source", name))
    }

    pub(super) fn ephemeral(&self, name: &str) -> Result<&dyn AnyEphemeral<P::Data>, Diagnostics> {
        self.0
            .catalog
            .ephemerals
            .get(name)
            .map(|entry| &**entry)
            .ok_or_else(|| not_offered("ephemeral resource", name))
    }
}

fn not_offered(kind: &str, name: &str) -> Diagnostics {
    Diagnostic::error(format!("No such {kind}"), format!("This provider has no {kind} named {name:?}."))
        .into()
}
