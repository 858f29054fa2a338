//! What Terraform proposes as the next state: the configuration, with the prior state where the provider decides.

use super::rules::explains;
use crate::{
    cty::Value,
    schema::{Attribute, Nesting, Shape},
};

/// The proposed state of an object. Without a prior one, what the provider decides is null.
pub(super) fn propose(attributes: &[Attribute], prior: &Value, config: &Value) -> Value {
    let Value::Object(fields) = config else { return config.clone() };
    Value::object(attributes.iter().map(|attribute| {
        let name = attribute.name();
        let null = Value::Null;
        let config = fields.get(name).unwrap_or(&null);
        let prior = prior.get(name).unwrap_or(&null);
        let value = match attribute.shape() {
            _ if config.is_null() && attribute.is_computed() => prior.clone(),
            Shape::Nested(nesting, nested) => self::nested(*nesting, nested, prior, config),
            Shape::Type(_) => config.clone(),
        };
        (name, value)
    }))
}

fn nested(nesting: Nesting, attributes: &[Attribute], prior: &Value, config: &Value) -> Value {
    let null = Value::Null;
    match (nesting, config) {
        (Nesting::Single, config) => propose(attributes, prior, config),
        (Nesting::List, Value::List(elements)) => {
            let before = prior.elements().unwrap_or_default();
            let pairs = elements.iter().enumerate();
            Value::List(
                pairs
                    .map(|(i, config)| propose(attributes, before.get(i).unwrap_or(&null), config))
                    .collect(),
            )
        }
        (Nesting::Map, Value::Map(entries)) => {
            let entry = |(key, config): (&String, &Value)| {
                (key.clone(), propose(attributes, prior.get(key).unwrap_or(&null), config))
            };
            Value::Map(entries.iter().map(entry).collect())
        }
        (Nesting::Set, Value::Set(elements)) => Value::set(elements.iter().map(|config| {
            let before = prior.elements().unwrap_or_default().iter().find(|prior| explains(config, prior));
            propose(attributes, before.unwrap_or(&null), config)
        })),
        (_, other) => other.clone(),
    }
}
