//! The fake Terraform: objects in state, and one provider behind its gRPC service, in memory.

use std::collections::BTreeMap;

use super::{Error, Instance, Rule, Violation, blocks};
use crate::{
    Diagnostics, Provider, Service,
    cty::{self, Path, Type, Value},
    proto::tfplugin6::{self as pb, provider_client::ProviderClient, provider_server::ProviderServer},
    schema::{AttrType, Block},
};

/// What the fake claims to be.
const VERSION: &str = "1.12.0";

/// A fake Terraform with one provider.
pub struct Core<P: Provider> {
    pub(super) client: ProviderClient<ProviderServer<Service<P>>>,
    pub(super) service: Service<P>,
    pub(super) provider: Block,
    pub(super) resources: BTreeMap<String, Block>,
    pub(super) identities: BTreeMap<String, Type>,
    pub(super) data_sources: BTreeMap<String, Block>,
    pub(super) ephemerals: BTreeMap<String, Block>,
    pub(super) functions: BTreeMap<String, pb::Function>,
    pub(super) instances: BTreeMap<String, Instance>,
}

impl<P: Provider> Core<P> {
    /// Starts a provider and reads its schema.
    ///
    /// # Errors
    /// The schema breaks a rule.
    pub async fn start(provider: P) -> Result<Self, Error> {
        let service = Service::new(provider);
        let limit = 256 << 20;
        let server = ProviderServer::new(service.clone())
            .max_decoding_message_size(limit)
            .max_encoding_message_size(limit);
        let mut client =
            ProviderClient::new(server).max_decoding_message_size(limit).max_encoding_message_size(limit);
        let schema = client.get_provider_schema(pb::get_provider_schema::Request {}).await?.into_inner();
        checked(&schema.diagnostics)?;
        let identities =
            client.get_resource_identity_schemas(pb::get_resource_identity_schemas::Request {}).await?;
        let identities = identities.into_inner().identity_schemas;
        Ok(Self {
            client,
            service,
            provider: blocks::block(schema.provider.as_ref().unwrap_or(&pb::Schema::default()))?,
            resources: named(&schema.resource_schemas, blocks::block)?,
            identities: named(&identities, blocks::identity)?,
            data_sources: named(&schema.data_source_schemas, blocks::block)?,
            ephemerals: named(&schema.ephemeral_resource_schemas, blocks::block)?,
            functions: schema.functions.into_iter().collect(),
            instances: BTreeMap::new(),
        })
    }

    /// Validates the provider's configuration and configures it. Attributes that are left out are null.
    ///
    /// # Errors
    /// The provider's own.
    pub async fn configure(&mut self, config: &impl AttrType) -> Result<Diagnostics, Error> {
        let ty = self.provider.ty().clone();
        let config = Some(to_wire(&complete(&config.to_value(), &ty)?, &ty)?);
        let request = pb::validate_provider_config::Request { config: config.clone() };
        let validated = self.client.validate_provider_config(request).await?.into_inner();
        let mut found = checked(&validated.diagnostics)?;
        let request = pb::configure_provider::Request {
            terraform_version: VERSION.to_owned(),
            config,
            ..Default::default()
        };
        let configured = self.client.configure_provider(request).await?.into_inner();
        found.extend(checked(&configured.diagnostics)?);
        Ok(found)
    }

    /// The object in state, if it is there.
    pub fn instance(&self, address: &str) -> Option<&Instance> {
        self.instances.get(address)
    }

    /// The schemas of all resources, as a host sees them.
    pub fn resources(&self) -> impl Iterator<Item = (&str, &Block)> {
        self.resources.iter().map(|(name, block)| (name.as_str(), block))
    }

    /// Interrupts: calls in flight are told to stop.
    ///
    /// # Errors
    /// The call failed.
    pub async fn interrupt(&self) -> Result<(), Error> {
        self.client.clone().stop_provider(pb::stop_provider::Request {}).await?;
        Ok(())
    }

    /// The service under test, to call it directly.
    pub fn service(&self) -> &Service<P> {
        &self.service
    }

    /// The schema of the resource at an address.
    pub(super) fn block(&self, address: &str) -> Result<Block, Error> {
        let name = type_name(address);
        self.resources.get(name).cloned().ok_or_else(|| Error::Missing(format!("resource type {name}")))
    }
}

/// The `TYPE` of `TYPE.NAME`.
pub(super) fn type_name(address: &str) -> &str {
    address.split('.').next().unwrap_or(address)
}

fn named<'a, W: 'a, T>(
    wire: impl IntoIterator<Item = (&'a String, &'a W)>,
    read: fn(&W) -> Result<T, Error>,
) -> Result<BTreeMap<String, T>, Error> {
    wire.into_iter().map(|(name, wire)| Ok((name.clone(), read(wire)?))).collect()
}

/// A configuration with all attributes, in its canonical form.
pub(super) fn complete(config: &Value, ty: &Type) -> Result<Value, Error> {
    let bytes = cty::to_msgpack(&fill(config, ty), ty).map_err(malformed)?;
    cty::from_msgpack(&bytes, ty).map_err(malformed)
}

/// Nulls for attributes that are left out, at every depth.
fn fill(value: &Value, ty: &Type) -> Value {
    match (value, ty) {
        (Value::Object(fields), Type::Object(types)) => {
            let null = Value::Null;
            let all =
                types.iter().map(|(name, ty)| (name.clone(), fill(fields.get(name).unwrap_or(&null), ty)));
            // Names the type lacks stay, so that they are refused.
            let rest = fields.iter().map(|(name, value)| (name.clone(), value.clone()));
            Value::Object(rest.chain(all).collect())
        }
        (Value::List(of), Type::List(ty)) => Value::List(of.iter().map(|value| fill(value, ty)).collect()),
        (Value::Set(of), Type::Set(ty)) => Value::set(of.iter().map(|value| fill(value, ty))),
        (Value::Map(of), Type::Map(ty)) => {
            Value::Map(of.iter().map(|(key, value)| (key.clone(), fill(value, ty))).collect())
        }
        (value, _) => value.clone(),
    }
}

pub(super) fn to_wire(value: &Value, ty: &Type) -> Result<pb::DynamicValue, Error> {
    let msgpack = cty::to_msgpack(value, ty).map_err(malformed)?;
    Ok(pb::DynamicValue { msgpack, json: Vec::new() })
}

pub(super) fn from_wire(wire: Option<&pb::DynamicValue>, ty: &Type) -> Result<Value, Error> {
    match wire {
        Some(wire) => cty::from_msgpack(&wire.msgpack, ty).map_err(malformed),
        None => Ok(Value::Null),
    }
}

pub(super) fn malformed(error: cty::Error) -> Error {
    Violation::new(Rule::Malformed, &error.path, error.problem.to_string()).into()
}

/// The messages, unless one of them is an error.
pub(super) fn checked(wire: &[pb::Diagnostic]) -> Result<Diagnostics, Error> {
    let found = Diagnostics::from_proto(wire);
    if found.has_errors() { Err(Error::Provider(found)) } else { Ok(found) }
}

/// Refuses what is not null where nothing may be, and the reverse.
pub(super) fn expect_null(value: &Value, null: bool, what: &str) -> Result<(), Error> {
    if value.is_null() == null {
        return Ok(());
    }
    Err(Violation::new(Rule::WrongNull, &Path::root(), what).into())
}
