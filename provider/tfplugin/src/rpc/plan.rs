//! PlanResourceChange: what would change, and whether it replaces the object.

use super::{Service, from_wire, to_wire};
use crate::{
    Diagnostics, Provider,
    cty::{Type, Value},
    plan,
    proto::tfplugin6 as pb,
    resource::{AnyResource, Draft},
};

impl<P: Provider> Service<P> {
    pub(super) async fn plan(
        &self,
        request: &pb::plan_resource_change::Request,
    ) -> Result<pb::plan_resource_change::Response, Diagnostics> {
        let resource = self.resource(&request.type_name)?;
        let ty = resource.block().ty();
        let proposed = from_wire(request.proposed_new_state.as_ref(), ty)?;
        if proposed.is_null() {
            return self.plan_destroy(resource, request).await;
        }
        let prior = from_wire(request.prior_state.as_ref(), ty)?;
        let mut draft = Draft {
            config: from_wire(request.config.as_ref(), ty)?,
            prior: Some(prior).filter(|prior| !prior.is_null()),
            planned: proposed,
            replace: Vec::new(),
        };
        let mut cx = self.context(&request.prior_private);
        plan::automatic(resource.block(), &mut draft);
        if let Err(diagnostics) = resource.modify_plan(&mut cx, &mut draft).await {
            cx.diagnostics.extend(diagnostics);
        }
        plan::hide_write_only(resource.block(), &mut draft.planned);
        plan::replacements(resource.block(), &mut draft);
        Ok(pb::plan_resource_change::Response {
            planned_state: Some(to_wire(&draft.planned, ty)?),
            requires_replace: draft.replace.iter().map(crate::cty::Path::to_proto).collect(),
            planned_private: cx.private.to_bytes(),
            planned_identity: identity(resource, &draft.planned)?.or_else(|| request.prior_identity.clone()),
            diagnostics: cx.diagnostics.to_proto(),
            ..Default::default()
        })
    }

    async fn plan_destroy(
        &self,
        resource: &dyn AnyResource<P::Data>,
        request: &pb::plan_resource_change::Request,
    ) -> Result<pb::plan_resource_change::Response, Diagnostics> {
        let ty = resource.block().ty();
        let prior = from_wire(request.prior_state.as_ref(), ty)?;
        let mut cx = self.context(&request.prior_private);
        if !prior.is_null()
            && let Err(diagnostics) = resource.plan_destroy(&mut cx, &prior).await
        {
            cx.diagnostics.extend(diagnostics);
        }
        Ok(pb::plan_resource_change::Response {
            planned_state: Some(to_wire(&Value::Null, ty)?),
            planned_private: cx.private.to_bytes(),
            planned_identity: request.prior_identity.clone(),
            diagnostics: cx.diagnostics.to_proto(),
            ..Default::default()
        })
    }
}

/// The identity in a state, if the resource has one and all of it is known.
pub(super) fn identity<D>(
    resource: &dyn AnyResource<D>,
    state: &Value,
) -> Result<Option<pb::ResourceIdentityData>, Diagnostics> {
    let Some(block) = resource.identity_block().filter(|_| !state.is_null()) else { return Ok(None) };
    let ty: &Type = block.ty();
    match resource.identity_of(state)? {
        Some(identity) => Ok(Some(pb::ResourceIdentityData { identity_data: Some(to_wire(&identity, ty)?) })),
        None => Ok(None),
    }
}
