//! State from elsewhere: UpgradeResourceState, UpgradeResourceIdentity, ImportResourceState, MoveResourceState.

use super::{
    Service, from_wire,
    plan::identity,
    read::{store, with},
    to_wire,
};
use crate::{
    Diagnostic, Diagnostics, Provider, cty,
    cty::Value,
    proto::tfplugin6 as pb,
    resource::{AnyResource, ImportId, MoveSource},
};

impl<P: Provider> Service<P> {
    /// Called for every stored object on every refresh, also when the version is the current one.
    pub(super) async fn upgrade_state(
        &self,
        request: &pb::upgrade_resource_state::Request,
    ) -> Result<pb::upgrade_resource_state::Response, Diagnostics> {
        let resource = self.resource(&request.type_name)?;
        let block = resource.block();
        let json = raw(request.raw_state.as_ref())?;
        let mut state = if request.version == block.version() {
            cty::from_json(json, block.ty())?
        } else if request.version > block.version() {
            return Err(newer(&request.type_name, request.version, block.version()));
        } else {
            let old = parse(json)?;
            let new = resource.upgrade_state(request.version, old).await?;
            cty::from_json(new.to_string().as_bytes(), block.ty())?
        };
        store(block, &mut state)?;
        let upgraded_state = Some(to_wire(&state, block.ty())?);
        Ok(pb::upgrade_resource_state::Response { upgraded_state, diagnostics: Vec::new() })
    }

    pub(super) fn upgrade_identity(
        &self,
        request: &pb::upgrade_resource_identity::Request,
    ) -> Result<pb::upgrade_resource_identity::Response, Diagnostics> {
        let resource = self.resource(&request.type_name)?;
        let block = resource.identity_block().ok_or_else(|| no_identity(&request.type_name))?;
        if request.version > block.version() {
            return Err(newer(&request.type_name, request.version, block.version()));
        }
        let identity = cty::from_json(raw(request.raw_identity.as_ref())?, block.ty())?;
        let data = pb::ResourceIdentityData { identity_data: Some(to_wire(&identity, block.ty())?) };
        Ok(pb::upgrade_resource_identity::Response { upgraded_identity: Some(data), diagnostics: Vec::new() })
    }

    pub(super) async fn import(
        &self,
        request: &pb::import_resource_state::Request,
    ) -> Result<pb::import_resource_state::Response, Diagnostics> {
        let resource = self.resource(&request.type_name)?;
        let mut cx = self.context(&[]);
        let id = import_id(resource, request)?;
        let imported = resource.import(&mut cx, id).await;
        let mut state = imported.map_err(|errors| with(&mut cx.diagnostics, errors))?;
        store(resource.block(), &mut state)?;
        let imported = pb::import_resource_state::ImportedResource {
            type_name: request.type_name.clone(),
            state: Some(to_wire(&state, resource.block().ty())?),
            private: cx.private.to_bytes(),
            identity: identity(resource, &state)?.or_else(|| request.identity.clone()),
        };
        Ok(pb::import_resource_state::Response {
            imported_resources: vec![imported],
            diagnostics: cx.diagnostics.to_proto(),
            deferred: None,
        })
    }

    pub(super) async fn move_state(
        &self,
        request: &pb::move_resource_state::Request,
    ) -> Result<pb::move_resource_state::Response, Diagnostics> {
        let resource = self.resource(&request.target_type_name)?;
        let source = MoveSource {
            provider: request.source_provider_address.clone(),
            type_name: request.source_type_name.clone(),
            schema_version: request.source_schema_version,
            state: parse(raw(request.source_state.as_ref())?)?,
        };
        let mut state = resource.move_state(source).await?.ok_or_else(|| not_movable(request))?;
        store(resource.block(), &mut state)?;
        Ok(pb::move_resource_state::Response {
            target_state: Some(to_wire(&state, resource.block().ty())?),
            target_identity: identity(resource, &state)?,
            ..Default::default()
        })
    }
}

fn import_id<D>(
    resource: &dyn AnyResource<D>,
    request: &pb::import_resource_state::Request,
) -> Result<ImportId, Diagnostics> {
    match &request.identity {
        Some(identity) if request.id.is_empty() => {
            let block = resource.identity_block().ok_or_else(|| no_identity(&request.type_name))?;
            let identity: Value = from_wire(identity.identity_data.as_ref(), block.ty())?;
            Ok(ImportId::Identity(identity))
        }
        _ => Ok(ImportId::Id(request.id.clone())),
    }
}

fn raw(state: Option<&pb::RawState>) -> Result<&[u8], Diagnostics> {
    match state {
        Some(state) if !state.json.is_empty() => Ok(&state.json),
        Some(state) if !state.flatmap.is_empty() => Err(Diagnostic::error(
            "Unable to read a state this old",
            "It was written by Terraform 0.11 or older. Upgrade the state with Terraform 0.12 first.",
        )
        .into()),
        _ => Ok(b"null"),
    }
}

fn parse(json: &[u8]) -> Result<serde_json::Value, Diagnostics> {
    let unreadable =
        |error: serde_json::Error| Diagnostic::error("Unable to read the state", error.to_string());
    Ok(serde_json::from_slice(json).map_err(unreadable)?)
}

fn newer(name: &str, found: i64, known: i64) -> Diagnostics {
    let summary = format!("The state of a {name} was written by a newer provider");
    let detail =
        format!("It has schema version {found}; this provider knows {known}. Use the newer provider.");
    Diagnostic::error(summary, detail).into()
}

fn no_identity(name: &str) -> Diagnostics {
    let detail = "This resource has no identity. Import it by its id.";
    Diagnostic::error(format!("{name} cannot be named by identity"), detail).into()
}

fn not_movable(request: &pb::move_resource_state::Request) -> Diagnostics {
    let (from, to) = (&request.source_type_name, &request.target_type_name);
    let detail = format!("This provider cannot turn the state of a {from} into that of a {to}.");
    Diagnostic::error(format!("Unable to move a {from} to a {to}"), detail).into()
}
