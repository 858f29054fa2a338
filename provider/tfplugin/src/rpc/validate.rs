//! Validate*Config: validators of single attributes, then the provider's own checks.

use super::{Service, from_wire};
use crate::{
    Diagnostic, Diagnostics, Provider,
    cty::{Path, Value},
    plan,
    proto::tfplugin6 as pb,
    schema::{AttrType, Attribute, Block, Flag},
};

impl<P: Provider> Service<P> {
    pub(super) fn validate_provider(
        &self,
        request: &pb::validate_provider_config::Request,
    ) -> Result<pb::validate_provider_config::Response, Diagnostics> {
        let shared = self.shared();
        let config = from_wire(request.config.as_ref(), shared.block.ty())?;
        let mut found = plan::validate(&shared.block, &config);
        shared.provider.validate(&P::Config::from_value(&config, &Path::root())?, &mut found);
        Ok(pb::validate_provider_config::Response { diagnostics: found.to_proto() })
    }

    pub(super) fn validate_resource(
        &self,
        request: &pb::validate_resource_config::Request,
    ) -> Result<pb::validate_resource_config::Response, Diagnostics> {
        let resource = self.resource(&request.type_name)?;
        let config = from_wire(request.config.as_ref(), resource.block().ty())?;
        let mut found = plan::validate(resource.block(), &config);
        let capable =
            request.client_capabilities.as_ref().is_some_and(|client| client.write_only_attributes_allowed);
        if !capable {
            refuse_write_only(resource.block(), &config, &mut found);
        }
        resource.validate(&config, &mut found);
        Ok(pb::validate_resource_config::Response { diagnostics: found.to_proto() })
    }

    pub(super) fn validate_data_source(
        &self,
        request: &pb::validate_data_resource_config::Request,
    ) -> Result<pb::validate_data_resource_config::Response, Diagnostics> {
        let source = self.data_source(&request.type_name)?;
        let config = from_wire(request.config.as_ref(), source.block().ty())?;
        let mut found = plan::validate(source.block(), &config);
        source.validate(&config, &mut found);
        Ok(pb::validate_data_resource_config::Response { diagnostics: found.to_proto() })
    }

    pub(super) fn validate_ephemeral(
        &self,
        request: &pb::validate_ephemeral_resource_config::Request,
    ) -> Result<pb::validate_ephemeral_resource_config::Response, Diagnostics> {
        let ephemeral = self.ephemeral(&request.type_name)?;
        let config = from_wire(request.config.as_ref(), ephemeral.block().ty())?;
        let mut found = plan::validate(ephemeral.block(), &config);
        ephemeral.validate(&config, &mut found);
        Ok(pb::validate_ephemeral_resource_config::Response { diagnostics: found.to_proto() })
    }
}

/// A host that does not know write-only attributes would store the secret.
fn refuse_write_only(block: &Block, config: &Value, found: &mut Diagnostics) {
    let set = |attribute: &&Attribute| {
        attribute.has(Flag::WriteOnly) && config.get(attribute.name()).is_some_and(|value| !value.is_null())
    };
    for attribute in block.attributes().iter().filter(set) {
        let name = attribute.name();
        found.push(
            Diagnostic::error(
                format!("{name} needs a newer Terraform"),
                "Write-only attributes need Terraform 1.11 or OpenTofu 1.11; an older one would store the value.",
            )
            .at(name),
        );
    }
}
