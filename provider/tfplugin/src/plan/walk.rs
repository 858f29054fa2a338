//! Visits each attribute of configuration, prior state and plan side by side, nested ones included.
//!
//! Elements of nested lists pair up by index, of maps by key, of sets by what the configuration set in them.

use crate::{
    cty::{Path, Step, Value},
    schema::{Attribute, Nesting, Shape},
};

/// One attribute in all three.
pub(super) struct Visit<'a> {
    pub(super) attribute: &'a Attribute,
    /// Null where the configuration has none.
    pub(super) config: &'a Value,
    /// `None` where the object that holds the attribute was not there before.
    pub(super) prior: Option<&'a Value>,
    pub(super) planned: &'a mut Value,
    pub(super) at: &'a Path,
}

/// Whether nested attributes are visited too.
#[derive(PartialEq, Eq)]
pub(super) enum Descend {
    Yes,
    No,
}

pub(super) type Visitor<'v> = dyn FnMut(Visit<'_>) -> Descend + 'v;

/// Visits the attributes of one object, then what is nested in them.
pub(super) fn walk(
    attributes: &[Attribute],
    config: &Value,
    prior: Option<&Value>,
    planned: &mut Value,
    at: &Path,
    visitor: &mut Visitor<'_>,
) {
    let Value::Object(fields) = planned else { return };
    for attribute in attributes {
        let name = attribute.name();
        let at = at.attribute(name);
        let config = config.get(name).unwrap_or(&Value::Null);
        let prior =
            prior.filter(|prior| !prior.is_null()).map(|prior| prior.get(name).unwrap_or(&Value::Null));
        let planned = fields.entry(name.to_owned()).or_default();
        let visit = Visit { attribute, config, prior, planned, at: &at };
        if visitor(visit) == Descend::Yes
            && let Shape::Nested(nesting, nested) = attribute.shape()
        {
            descend(*nesting, nested, config, prior, planned, &at, visitor);
        }
    }
}

fn descend(
    nesting: Nesting,
    nested: &[Attribute],
    config: &Value,
    prior: Option<&Value>,
    planned: &mut Value,
    at: &Path,
    visitor: &mut Visitor<'_>,
) {
    let null = Value::Null;
    match (nesting, planned) {
        (Nesting::Single, planned) => walk(nested, config, prior, planned, at, visitor),
        (Nesting::List, Value::List(elements)) => {
            for (index, planned) in elements.iter_mut().enumerate() {
                let element =
                    |value: &'_ Value| value.elements().and_then(|elements| elements.get(index)).cloned();
                let prior = prior.and_then(element);
                walk(
                    nested,
                    &element(config).unwrap_or_default(),
                    prior.as_ref(),
                    planned,
                    &at.index(index),
                    visitor,
                );
            }
        }
        (Nesting::Map, Value::Map(entries)) => {
            for (key, planned) in entries.iter_mut() {
                let config = config.get(key).unwrap_or(&null);
                let prior = prior.and_then(|prior| prior.get(key));
                walk(nested, config, prior, planned, &at.key(key), visitor);
            }
        }
        (Nesting::Set, planned @ Value::Set(_)) => {
            let elements = planned.elements().unwrap_or_default().to_vec();
            let changed = elements.into_iter().map(|mut element| {
                // An element of a set that no configuration explains pairs with itself: nothing in it is left out.
                let config = partner(&element, config).cloned().unwrap_or_else(|| element.clone());
                let prior =
                    prior.and_then(|prior| prior.elements()?.iter().find(|prior| explains(&config, prior)));
                let at = at.step(Step::Element(Box::new(element.clone())));
                walk(nested, &config, prior, &mut element, &at, visitor);
                element
            });
            *planned = Value::set(changed.collect::<Vec<_>>());
        }
        _ => {}
    }
}

/// The element of the configured set that an element of the planned set comes from.
fn partner<'a>(element: &Value, config: &'a Value) -> Option<&'a Value> {
    config.elements()?.iter().find(|candidate| explains(candidate, element))
}

/// Whether everything the configuration sets is the same in this object.
fn explains(config: &Value, object: &Value) -> bool {
    match (config.entries(), object.entries()) {
        (Some(config), Some(object)) => config.iter().all(|(name, value)| {
            value.is_null() || object.get(name).is_some_and(|other| explains(value, other))
        }),
        _ => config.is_unknown() || config == object,
    }
}
