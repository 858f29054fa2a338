//! GetFunctions and CallFunction.

use std::{collections::HashMap, panic::AssertUnwindSafe};

use super::{Service, answer::panicked, from_wire, to_wire};
use crate::{
    Diagnostics, Provider,
    cty::{Type, Value},
    function::{AnyFunction, Error, variadic},
    proto::tfplugin6 as pb,
    schema::{Attribute, Presence},
};

impl<P: Provider> Service<P> {
    pub(super) fn function_schemas(&self) -> HashMap<String, pb::Function> {
        let functions = self.shared().catalog.functions.iter();
        functions.map(|(name, function)| ((*name).to_owned(), schema(&**function))).collect()
    }

    pub(super) fn functions(&self) -> Result<pb::get_functions::Response, Diagnostics> {
        Ok(pb::get_functions::Response { functions: self.function_schemas(), diagnostics: Vec::new() })
    }

    pub(super) fn call(&self, request: &pb::call_function::Request) -> pb::call_function::Response {
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| self.try_call(request)));
        let outcome = outcome.unwrap_or_else(|panic| {
            let found = panicked("CallFunction", &request.name, &*panic);
            Err(failure(&found, None))
        });
        match outcome {
            Ok(result) => pb::call_function::Response { result: Some(result), error: None },
            Err(error) => pb::call_function::Response { result: None, error: Some(error) },
        }
    }

    fn try_call(&self, request: &pb::call_function::Request) -> Result<pb::DynamicValue, pb::FunctionError> {
        let text = |text: String| pb::FunctionError { text, function_argument: None };
        let function = self.shared().catalog.functions.get(request.name.as_str());
        let function =
            function.ok_or_else(|| text(format!("There is no function named {:?}.", request.name)))?;
        let args = arguments(&**function, &request.arguments)?;
        let result = function.call(&args).map_err(|error| blame(&**function, error))?;
        to_wire(&result, &function.output()).map_err(|found| failure(&found, None))
    }
}

/// The parameters as fields of the argument struct; further arguments are the elements of the variadic one.
fn arguments(function: &dyn AnyFunction, wire: &[pb::DynamicValue]) -> Result<Value, pb::FunctionError> {
    let block = function.block();
    let mut rest = wire.iter().enumerate();
    let mut fields = Vec::new();
    let rest_of = variadic(block);
    let read = |(position, wire): (usize, &pb::DynamicValue), ty: &Type| {
        from_wire(Some(wire), ty).map_err(|found| failure(&found, i64::try_from(position).ok()))
    };
    for attribute in block.attributes() {
        let value = match &rest_of {
            Some((last, of)) if last.name() == attribute.name() => {
                Value::List(rest.by_ref().map(|wire| read(wire, of)).collect::<Result<_, _>>()?)
            }
            _ => rest.next().map(|wire| read(wire, &attribute.ty())).transpose()?.unwrap_or_default(),
        };
        fields.push((attribute.name(), value));
    }
    Ok(Value::object(fields))
}

fn blame(function: &dyn AnyFunction, error: Error) -> pb::FunctionError {
    let position = error
        .parameter
        .and_then(|name| function.block().attributes().iter().position(|attribute| attribute.name() == name));
    pb::FunctionError { text: error.text, function_argument: position.and_then(|at| i64::try_from(at).ok()) }
}

fn failure(found: &Diagnostics, argument: Option<i64>) -> pb::FunctionError {
    let lines: Vec<_> = found.iter().map(|found| format!("{}: {}", found.summary, found.detail)).collect();
    pb::FunctionError { text: lines.join("\n"), function_argument: argument }
}

fn schema(function: &dyn AnyFunction) -> pb::Function {
    let block = function.block();
    let rest_of = variadic(block);
    let is_rest =
        |attribute: &Attribute| rest_of.as_ref().is_some_and(|(last, _)| last.name() == attribute.name());
    let fixed = block.attributes().iter().filter(|attribute| !is_rest(attribute));
    let summary = block.description().lines().next().unwrap_or_default().to_owned();
    pb::Function {
        parameters: fixed.map(|attribute| parameter(attribute, &attribute.ty())).collect(),
        variadic_parameter: rest_of.as_ref().map(|(last, of)| parameter(last, of)),
        r#return: Some(pb::function::Return { r#type: function.output().to_json() }),
        summary,
        description: block.description().to_owned(),
        description_kind: pb::StringKind::Markdown.into(),
        deprecation_message: String::new(),
    }
}

fn parameter(attribute: &Attribute, ty: &Type) -> pb::function::Parameter {
    pb::function::Parameter {
        name: attribute.name().to_owned(),
        r#type: ty.to_json(),
        allow_null_value: attribute.presence() != Presence::Required,
        allow_unknown_values: false,
        description: attribute.description().to_owned(),
        description_kind: pb::StringKind::Markdown.into(),
    }
}
