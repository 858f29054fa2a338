//! OpenEphemeralResource, RenewEphemeralResource, CloseEphemeralResource.

use jiff::Timestamp;

use super::{Service, from_wire, read::with, to_wire};
use crate::{Diagnostic, Diagnostics, Provider, plan, proto::tfplugin6 as pb};

impl<P: Provider> Service<P> {
    pub(super) async fn open(
        &self,
        request: &pb::open_ephemeral_resource::Request,
    ) -> Result<pb::open_ephemeral_resource::Response, Diagnostics> {
        let ephemeral = self.ephemeral(&request.type_name)?;
        let ty = ephemeral.block().ty();
        let config = from_wire(request.config.as_ref(), ty)?;
        let mut cx = self.context(&[]);
        let opened =
            ephemeral.open(&mut cx, &config).await.map_err(|errors| with(&mut cx.diagnostics, errors))?;
        let mut result = opened.result;
        plan::keep_number_forms(&mut result, &config);
        if let Some(path) = plan::unknowns_to_null(&mut result).into_iter().next() {
            let summary = format!("The provider returned an unknown {path}");
            return Err(Diagnostic::error(summary, "This is a bug in the provider.").at(path).into());
        }
        Ok(pb::open_ephemeral_resource::Response {
            diagnostics: cx.diagnostics.to_proto(),
            renew_at: opened.renew_at.map(timestamp),
            result: Some(to_wire(&result, ty)?),
            private: Some(cx.private.to_bytes()),
            deferred: None,
        })
    }

    pub(super) async fn renew(
        &self,
        request: &pb::renew_ephemeral_resource::Request,
    ) -> Result<pb::renew_ephemeral_resource::Response, Diagnostics> {
        let ephemeral = self.ephemeral(&request.type_name)?;
        let mut cx = self.context(request.private());
        let renewed = ephemeral.renew(&mut cx).await.map_err(|errors| with(&mut cx.diagnostics, errors))?;
        Ok(pb::renew_ephemeral_resource::Response {
            diagnostics: cx.diagnostics.to_proto(),
            renew_at: renewed.map(timestamp),
            private: Some(cx.private.to_bytes()),
        })
    }

    pub(super) async fn close(
        &self,
        request: &pb::close_ephemeral_resource::Request,
    ) -> Result<pb::close_ephemeral_resource::Response, Diagnostics> {
        let ephemeral = self.ephemeral(&request.type_name)?;
        let mut cx = self.context(request.private());
        ephemeral.close(&mut cx).await.map_err(|errors| with(&mut cx.diagnostics, errors))?;
        Ok(pb::close_ephemeral_resource::Response { diagnostics: cx.diagnostics.to_proto() })
    }
}

fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}
