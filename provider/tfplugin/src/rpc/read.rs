//! ReadResource and ReadDataSource.

use super::{Service, from_wire, plan::identity, to_wire};
use crate::{Diagnostic, Diagnostics, Provider, cty::Value, plan, proto::tfplugin6 as pb, schema::Block};

impl<P: Provider> Service<P> {
    pub(super) async fn read(
        &self,
        request: &pb::read_resource::Request,
    ) -> Result<pb::read_resource::Response, Diagnostics> {
        let resource = self.resource(&request.type_name)?;
        let ty = resource.block().ty();
        let current = from_wire(request.current_state.as_ref(), ty)?;
        let mut cx = self.context(&request.private);
        let found = match &current {
            Value::Null => None,
            current => {
                resource.read(&mut cx, current).await.map_err(|errors| with(&mut cx.diagnostics, errors))?
            }
        };
        let mut state = found.unwrap_or_default();
        plan::keep_number_forms(&mut state, &current);
        store(resource.block(), &mut state)?;
        Ok(pb::read_resource::Response {
            new_state: Some(to_wire(&state, ty)?),
            private: cx.private.to_bytes(),
            new_identity: identity(resource, &state)?.or_else(|| request.current_identity.clone()),
            diagnostics: cx.diagnostics.to_proto(),
            deferred: None,
        })
    }

    pub(super) async fn read_data(
        &self,
        request: &pb::read_data_source::Request,
    ) -> Result<pb::read_data_source::Response, Diagnostics> {
        let source = self.data_source(&request.type_name)?;
        let ty = source.block().ty();
        let config = from_wire(request.config.as_ref(), ty)?;
        let mut cx = self.context(&[]);
        let mut state =
            source.read(&mut cx, &config).await.map_err(|errors| with(&mut cx.diagnostics, errors))?;
        plan::keep_number_forms(&mut state, &config);
        store(source.block(), &mut state)?;
        Ok(pb::read_data_source::Response {
            state: Some(to_wire(&state, ty)?),
            diagnostics: cx.diagnostics.to_proto(),
            deferred: None,
        })
    }
}

/// Errors, after the messages that came before them.
pub(super) fn with(before: &mut Diagnostics, errors: Diagnostics) -> Diagnostics {
    let mut all = std::mem::take(before);
    all.extend(errors);
    all
}

/// What was read must be known, and holds nothing write-only.
pub(super) fn store(block: &Block, state: &mut Value) -> Result<(), Diagnostics> {
    plan::hide_write_only(block, state);
    let unknown = plan::unknowns_to_null(state);
    let error = |path: crate::cty::Path| {
        Diagnostic::error(
            format!("The provider returned an unknown {path}"),
            "This is a bug in the provider.",
        )
        .at(path)
    };
    unknown.into_iter().map(error).collect::<Diagnostics>().into_result()
}
