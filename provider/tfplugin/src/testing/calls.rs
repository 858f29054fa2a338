//! Data sources, ephemeral resources and functions.

use super::{
    Core, Error, Rule,
    core::{checked, complete, from_wire, malformed, to_wire},
    rules,
};
use crate::{
    Diagnostics, Provider,
    cty::{Path, Type, Value},
    proto::tfplugin6 as pb,
    schema::AttrType,
};

impl<P: Provider> Core<P> {
    /// Validates and reads a data source.
    ///
    /// # Errors
    /// The provider's own, or a broken rule.
    pub async fn read_data(&mut self, type_name: &str, config: &impl AttrType) -> Result<Value, Error> {
        let missing = || Error::Missing(format!("data source {type_name}"));
        let block = self.data_sources.get(type_name).cloned().ok_or_else(missing)?;
        let config = complete(&config.to_value(), block.ty())?;
        let wire = Some(to_wire(&config, block.ty())?);
        let request =
            pb::validate_data_resource_config::Request { type_name: type_name.into(), config: wire.clone() };
        checked(&self.client.validate_data_resource_config(request).await?.into_inner().diagnostics)?;
        let request =
            pb::read_data_source::Request { type_name: type_name.into(), config: wire, ..Default::default() };
        let answer = self.client.read_data_source(request).await?.into_inner();
        checked(&answer.diagnostics)?;
        let state = from_wire(answer.state.as_ref(), block.ty())?;
        rules::storable(block.attributes(), &state)?;
        kept(&config, &state)?;
        Ok(state)
    }

    /// Opens an ephemeral resource, renews it if it asks for that, and closes it; returns its result and all messages.
    ///
    /// # Errors
    /// The provider's own, or a broken rule.
    pub async fn open(
        &mut self,
        type_name: &str,
        config: &impl AttrType,
    ) -> Result<(Value, Diagnostics), Error> {
        let missing = || Error::Missing(format!("ephemeral resource {type_name}"));
        let block = self.ephemerals.get(type_name).cloned().ok_or_else(missing)?;
        let config = complete(&config.to_value(), block.ty())?;
        let wire = Some(to_wire(&config, block.ty())?);
        let name = type_name.to_owned();
        let request =
            pb::validate_ephemeral_resource_config::Request { type_name: name.clone(), config: wire.clone() };
        checked(&self.client.validate_ephemeral_resource_config(request).await?.into_inner().diagnostics)?;
        let request = pb::open_ephemeral_resource::Request {
            type_name: name.clone(),
            config: wire,
            client_capabilities: None,
        };
        let opened = self.client.open_ephemeral_resource(request).await?.into_inner();
        let mut found = checked(&opened.diagnostics)?;
        let result = from_wire(opened.result.as_ref(), block.ty())?;
        kept(&config, &result)?;
        let mut private = opened.private;
        if opened.renew_at.is_some() {
            let request = pb::renew_ephemeral_resource::Request { type_name: name.clone(), private };
            let renewed = self.client.renew_ephemeral_resource(request).await?.into_inner();
            found.extend(checked(&renewed.diagnostics)?);
            private = renewed.private;
        }
        let request = pb::close_ephemeral_resource::Request { type_name: name, private };
        found
            .extend(checked(&self.client.close_ephemeral_resource(request).await?.into_inner().diagnostics)?);
        Ok((result, found))
    }

    /// Calls a function. `Ok(Err(text))` is the function's own error.
    ///
    /// # Errors
    /// The call failed, or broke a rule.
    pub async fn call(&mut self, name: &str, arguments: &[Value]) -> Result<Result<Value, String>, Error> {
        let missing = || Error::Missing(format!("function {name}"));
        let function = self.functions.get(name).cloned().ok_or_else(missing)?;
        let ty = |json: &[u8]| Type::from_json(json).map_err(malformed);
        let mut wire = Vec::new();
        for (position, argument) in arguments.iter().enumerate() {
            let parameter = function.parameters.get(position).or(function.variadic_parameter.as_ref());
            let parameter =
                parameter.ok_or_else(|| Error::Missing(format!("parameter {position} of {name}")))?;
            wire.push(to_wire(argument, &ty(&parameter.r#type)?)?);
        }
        let request = pb::call_function::Request { name: name.to_owned(), arguments: wire };
        let answer = self.client.call_function(request).await?.into_inner();
        if let Some(error) = answer.error {
            return Ok(Err(error.text));
        }
        let output = ty(&function.r#return.unwrap_or_default().r#type)?;
        Ok(Ok(from_wire(answer.result.as_ref(), &output)?))
    }
}

/// What a configuration sets must come back.
fn kept(config: &Value, result: &Value) -> Result<(), Error> {
    let Value::Object(fields) = config else { return Ok(()) };
    let set = fields.iter().filter(|(_, value)| !value.is_null());
    set.into_iter().try_for_each(|(name, value)| {
        let actual = result.get(name).unwrap_or(&Value::Null);
        // Nested objects may hold computed attributes beside what was configured.
        if rules::explains(value, actual) {
            return Ok(());
        }
        rules::consistent(value, actual, Rule::ConfigurationChanged, &Path::from(name.as_str()))
    })
}
