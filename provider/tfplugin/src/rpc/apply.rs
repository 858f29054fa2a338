//! ApplyResourceChange: create, update or delete, and a result fit to be stored.
//!
//! What goes wrong after the object exists must not lose it: whatever state the resource returns is stored.

use super::{Service, from_wire, plan::identity, to_wire};
use crate::{
    Context, Diagnostic, Diagnostics, Provider, cty::Value, plan, proto::tfplugin6 as pb,
    resource::AnyResource, schema::Block,
};

impl<P: Provider> Service<P> {
    pub(super) async fn apply(
        &self,
        request: &pb::apply_resource_change::Request,
    ) -> Result<pb::apply_resource_change::Response, Diagnostics> {
        let resource = self.resource(&request.type_name)?;
        let ty = resource.block().ty();
        let prior = from_wire(request.prior_state.as_ref(), ty)?;
        let planned = from_wire(request.planned_state.as_ref(), ty)?;
        let config = from_wire(request.config.as_ref(), ty)?;
        let mut cx = self.context(&request.planned_private);
        let mut state = if planned.is_null() {
            delete(resource, &mut cx, prior).await
        } else if prior.is_null() {
            put(resource.create(&mut cx, &planned, &config).await, Value::Null, &mut cx.diagnostics)
        } else {
            put(resource.update(&mut cx, &prior, &planned, &config).await, prior, &mut cx.diagnostics)
        };
        settle(resource.block(), &mut state, &planned, &mut cx.diagnostics);
        Ok(pb::apply_resource_change::Response {
            new_state: Some(to_wire(&state, ty)?),
            private: cx.private.to_bytes(),
            new_identity: identity(resource, &state)?.or_else(|| request.planned_identity.clone()),
            diagnostics: cx.diagnostics.to_proto(),
            legacy_type_system: false,
        })
    }
}

/// Null once deleted, else what was there before.
async fn delete<D>(resource: &dyn AnyResource<D>, cx: &mut Context<D>, prior: Value) -> Value {
    let outcome = resource.delete(cx, &prior).await;
    let failed = outcome.is_err() || cx.diagnostics.has_errors();
    if let Err(diagnostics) = outcome {
        cx.diagnostics.extend(diagnostics);
    }
    if failed { prior } else { Value::Null }
}

/// The new state; after a failure without one, what was there before.
fn put(outcome: crate::resource::Outcome<Value>, before: Value, diagnostics: &mut Diagnostics) -> Value {
    match outcome {
        Ok(state) => state,
        Err(failure) => {
            diagnostics.extend(failure.diagnostics);
            if !diagnostics.has_errors() {
                diagnostics.error(
                    "The operation failed",
                    "The provider gave no reason. This is a bug in the provider.",
                );
            }
            failure.state.unwrap_or(before)
        }
    }
}

/// Makes a result fit to be stored. What the provider forgot to fill in becomes null under a warning: an error here would
/// taint an object that was made.
fn settle(block: &Block, state: &mut Value, planned: &Value, diagnostics: &mut Diagnostics) {
    plan::hide_write_only(block, state);
    plan::keep_number_forms(state, planned);
    for path in plan::unknowns_to_null(state) {
        let summary = format!("The provider left {path} unknown after apply");
        let warning = Diagnostic::warning(summary, "It is stored as null. This is a bug in the provider.");
        if !diagnostics.has_errors() {
            diagnostics.push(warning.at(path));
        }
    }
}
