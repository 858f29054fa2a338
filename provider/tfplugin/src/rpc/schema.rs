//! What the provider offers: GetMetadata, GetProviderSchema, GetResourceIdentitySchemas.

use std::collections::HashMap;

use super::Service;
use crate::{
    Diagnostics, Provider,
    proto::tfplugin6 as pb,
    schema::{Attribute, Block, Presence},
};

/// Hosts may cache the schema, and are to ask before they destroy.
fn capabilities() -> pb::ServerCapabilities {
    pb::ServerCapabilities {
        plan_destroy: true,
        get_provider_schema_optional: true,
        move_resource_state: true,
        generate_resource_config: false,
    }
}

impl<P: Provider> Service<P> {
    pub(super) fn metadata(&self) -> Result<pb::get_metadata::Response, Diagnostics> {
        use pb::get_metadata as m;
        let catalog = &self.shared().catalog;
        let owned = |name: &&'static str| (*name).to_owned();
        Ok(m::Response {
            server_capabilities: Some(capabilities()),
            resources: catalog
                .resources
                .keys()
                .map(|n| m::ResourceMetadata { type_name: owned(n) })
                .collect(),
            data_sources: catalog
                .data_sources
                .keys()
                .map(|n| m::DataSourceMetadata { type_name: owned(n) })
                .collect(),
            functions: catalog.functions.keys().map(|n| m::FunctionMetadata { name: owned(n) }).collect(),
            ephemeral_resources: catalog
                .ephemerals
                .keys()
                .map(|n| m::EphemeralMetadata { type_name: owned(n) })
                .collect(),
            ..Default::default()
        })
    }

    pub(super) fn schema(&self) -> Result<pb::get_provider_schema::Response, Diagnostics> {
        let shared = self.shared();
        let catalog = &shared.catalog;
        fn blocks<'a>(
            all: impl Iterator<Item = (&'a &'static str, &'a Block)>,
        ) -> HashMap<String, pb::Schema> {
            all.map(|(name, block)| ((*name).to_owned(), block.to_proto())).collect()
        }
        Ok(pb::get_provider_schema::Response {
            provider: Some(shared.block.to_proto()),
            resource_schemas: blocks(catalog.resources.iter().map(|(n, r)| (n, r.block()))),
            data_source_schemas: blocks(catalog.data_sources.iter().map(|(n, s)| (n, s.block()))),
            ephemeral_resource_schemas: blocks(catalog.ephemerals.iter().map(|(n, e)| (n, e.block()))),
            functions: self.function_schemas(),
            server_capabilities: Some(capabilities()),
            ..Default::default()
        })
    }

    pub(super) fn identity_schemas(
        &self,
    ) -> Result<pb::get_resource_identity_schemas::Response, Diagnostics> {
        let resources = self.shared().catalog.resources.iter();
        let identity_schemas = resources
            .filter_map(|(name, resource)| Some(((*name).to_owned(), identity(resource.identity_block()?))))
            .collect();
        Ok(pb::get_resource_identity_schemas::Response { identity_schemas, diagnostics: Vec::new() })
    }
}

fn identity(block: &Block) -> pb::ResourceIdentitySchema {
    let attribute = |attribute: &Attribute| pb::resource_identity_schema::IdentityAttribute {
        name: attribute.name().to_owned(),
        r#type: attribute.ty().to_json(),
        required_for_import: attribute.presence() == Presence::Required,
        optional_for_import: attribute.presence() != Presence::Required,
        description: attribute.description().to_owned(),
    };
    pb::ResourceIdentitySchema {
        version: block.version(),
        identity_attributes: block.attributes().iter().map(attribute).collect(),
    }
}
