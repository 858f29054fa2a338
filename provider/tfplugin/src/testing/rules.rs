//! What Terraform demands of plans and results.
//!
//! - planned: what the configuration sets stays, or stays as it was before; what it leaves out is null unless computed;
//!   write-only is null.
//! - applied: what was known in the plan comes back the same; nothing is unknown; write-only is null.

use super::{Error, Rule, Violation};
use crate::{
    cty::{Path, Step, Value},
    schema::{Attribute, Flag, Nesting, Shape},
};

/// Checks a planned object against its configuration.
pub(super) fn plan(
    attributes: &[Attribute],
    prior: &Value,
    config: &Value,
    planned: &Value,
    at: &Path,
) -> Result<(), Error> {
    let null = Value::Null;
    for attribute in attributes {
        let name = attribute.name();
        let of = |value: &'_ Value| value.get(name).cloned().unwrap_or_default();
        let at = at.attribute(name);
        let before = if prior.is_null() { &null } else { prior.get(name).unwrap_or(&null) };
        plan_attribute(attribute, before, &of(config), &of(planned), &at)?;
    }
    Ok(())
}

fn plan_attribute(
    attribute: &Attribute,
    prior: &Value,
    config: &Value,
    planned: &Value,
    at: &Path,
) -> Result<(), Error> {
    if attribute.has(Flag::WriteOnly) {
        return if planned.is_null() { Ok(()) } else { Err(stored(at)) };
    }
    if planned == config || config.is_null() && attribute.is_computed() {
        return Ok(());
    }
    if planned == prior && !prior.is_null() && !config.is_null() {
        return Ok(());
    }
    match attribute.shape() {
        Shape::Nested(nesting, nested) if !config.is_null() && !config.is_unknown() => {
            plan_nested(*nesting, nested, prior, config, planned, at)
        }
        _ => {
            Err(Violation::new(Rule::InvalidPlan, at, format!("configured {config:?}, planned {planned:?}"))
                .into())
        }
    }
}

fn plan_nested(
    nesting: Nesting,
    nested: &[Attribute],
    prior: &Value,
    config: &Value,
    planned: &Value,
    at: &Path,
) -> Result<(), Error> {
    let null = Value::Null;
    let invalid = |what: &str| Err(Violation::new(Rule::InvalidPlan, at, what).into());
    match (nesting, config, planned) {
        (Nesting::Single, Value::Object(_), Value::Object(_)) => plan(nested, prior, config, planned, at),
        (Nesting::List, Value::List(config), Value::List(planned)) if config.len() == planned.len() => {
            let before = prior.elements().unwrap_or_default();
            config.iter().zip(planned).enumerate().try_for_each(|(i, (config, planned))| {
                plan(nested, before.get(i).unwrap_or(&null), config, planned, &at.index(i))
            })
        }
        (Nesting::Map, Value::Map(config), Value::Map(planned)) if config.keys().eq(planned.keys()) => {
            config.iter().zip(planned.values()).try_for_each(|((key, config), planned)| {
                plan(nested, prior.get(key).unwrap_or(&null), config, planned, &at.key(key))
            })
        }
        (Nesting::Set, Value::Set(config), Value::Set(planned)) if config.len() == planned.len() => {
            config.iter().try_for_each(|config| {
                let fits = |planned: &&Value| plan(nested, &null, config, planned, at).is_ok();
                if planned.iter().any(|planned| fits(&planned)) {
                    Ok(())
                } else {
                    invalid("an element is not planned")
                }
            })
        }
        _ => invalid("another number of nested objects than configured"),
    }
}

/// Checks a result against what was planned: known values stay.
pub(super) fn consistent(planned: &Value, actual: &Value, rule: Rule, at: &Path) -> Result<(), Error> {
    let differs = || Err(Violation::new(rule, at, format!("planned {planned:?}, got {actual:?}")).into());
    match (planned.plain(), actual.plain()) {
        (Value::Unknown, _) => Ok(()),
        (Value::Object(planned), Value::Object(actual)) => planned.iter().try_for_each(|(name, planned)| {
            consistent(planned, actual.get(name).unwrap_or(&Value::Null), rule, &at.attribute(name))
        }),
        (Value::Map(planned), Value::Map(actual)) if planned.keys().eq(actual.keys()) => {
            let pairs = planned.iter().zip(actual.values());
            pairs
                .into_iter()
                .try_for_each(|((key, planned), actual)| consistent(planned, actual, rule, &at.key(key)))
        }
        (Value::List(planned), Value::List(actual)) | (Value::Tuple(planned), Value::Tuple(actual))
            if planned.len() == actual.len() =>
        {
            let pairs = planned.iter().zip(actual).enumerate();
            pairs
                .into_iter()
                .try_for_each(|(i, (planned, actual))| consistent(planned, actual, rule, &at.index(i)))
        }
        (Value::Set(planned), Value::Set(actual)) => {
            let has =
                |planned: &Value| actual.iter().any(|actual| consistent(planned, actual, rule, at).is_ok());
            if actual.len() <= planned.len() && planned.iter().all(has) { Ok(()) } else { differs() }
        }
        (planned, actual) if planned == actual => Ok(()),
        _ => differs(),
    }
}

/// Checks a state that is to be stored: nothing unknown, nothing write-only.
pub(super) fn storable(attributes: &[Attribute], state: &Value) -> Result<(), Error> {
    if !state.is_wholly_known() {
        let detail = format!("{state:?}");
        return Err(Violation::new(Rule::UnknownResult, &Path::root(), detail).into());
    }
    no_write_only(attributes, state, &Path::root())
}

fn no_write_only(attributes: &[Attribute], state: &Value, at: &Path) -> Result<(), Error> {
    for attribute in attributes {
        let Some(value) = state.get(attribute.name()).filter(|value| !value.is_null()) else { continue };
        let at = at.attribute(attribute.name());
        if attribute.has(Flag::WriteOnly) {
            return Err(stored(&at));
        }
        if let Shape::Nested(nesting, nested) = attribute.shape() {
            match (nesting, value) {
                (Nesting::Single, value) => no_write_only(nested, value, &at)?,
                (Nesting::Map, Value::Map(entries)) => {
                    entries.iter().try_for_each(|(key, value)| no_write_only(nested, value, &at.key(key)))?;
                }
                (_, value) => {
                    let elements = value.elements().unwrap_or_default().iter().enumerate();
                    let step = |i| Step::Index(i64::try_from(i).unwrap_or(i64::MAX));
                    elements
                        .into_iter()
                        .try_for_each(|(i, value)| no_write_only(nested, value, &at.step(step(i))))?;
                }
            }
        }
    }
    Ok(())
}

/// Whether everything a configuration sets is the same in this object.
pub(super) fn explains(config: &Value, object: &Value) -> bool {
    match (config.entries(), object.entries()) {
        (Some(config), Some(object)) => config.iter().all(|(name, value)| {
            value.is_null() || object.get(name).is_some_and(|other| explains(value, other))
        }),
        _ => config == object,
    }
}

fn stored(at: &Path) -> Error {
    Violation::new(Rule::WriteOnlyStored, at, "write-only attributes are always null in plans and states")
        .into()
}
