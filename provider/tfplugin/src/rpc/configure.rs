//! ConfigureProvider and StopProvider.

use super::{Service, from_wire};
use crate::{Diagnostics, Provider, Setup, cty::Path, proto::tfplugin6 as pb, schema::AttrType};

impl<P: Provider> Service<P> {
    pub(super) async fn configure(
        &self,
        request: &pb::configure_provider::Request,
    ) -> Result<pb::configure_provider::Response, Diagnostics> {
        let shared = self.shared();
        let config = from_wire(request.config.as_ref(), shared.block.ty())?;
        let config = P::Config::from_value(&config, &Path::root())?;
        let mut setup = Setup {
            terraform_version: request.terraform_version.clone(),
            diagnostics: Diagnostics::new(),
            stop: self.restart(),
        };
        match shared.provider.configure(&mut setup, config).await {
            Ok(data) => self.set_data(data),
            Err(diagnostics) => setup.diagnostics.extend(diagnostics),
        }
        Ok(pb::configure_provider::Response { diagnostics: setup.diagnostics.to_proto() })
    }

    /// Advisory: calls in flight are told, and go on to return what they know.
    pub(super) fn request_stop(&self) -> pb::stop_provider::Response {
        tracing::info!("asked to stop");
        self.stop().cancel();
        pb::stop_provider::Response::default()
    }
}
