//! A result made fit to be stored: nothing write-only, nothing unknown, numbers in the form in which they came.

use std::collections::BTreeMap;

use super::walk::{Descend, walk};
use crate::{
    cty::{Path, Step, Value},
    schema::{Block, Flag},
};

/// Nulls write-only attributes.
pub(crate) fn hide_write_only(block: &Block, state: &mut Value) {
    if !block.has(Flag::WriteOnly) {
        return;
    }
    let config = state.clone();
    walk(block.attributes(), &config, None, state, &Path::root(), &mut |visit| {
        if visit.attribute.has(Flag::WriteOnly) {
            *visit.planned = Value::Null;
        }
        Descend::Yes
    });
}

/// Nulls what is still unknown, and says where that was.
pub(crate) fn unknowns_to_null(value: &mut Value) -> Vec<Path> {
    fn search(value: &mut Value, at: &Path, found: &mut Vec<Path>) {
        let index = |i| Step::Index(i64::try_from(i).unwrap_or(i64::MAX));
        match value {
            Value::Unknown => {
                *value = Value::Null;
                found.push(at.clone());
            }
            Value::List(of) | Value::Set(of) | Value::Tuple(of) => {
                of.iter_mut().enumerate().for_each(|(i, element)| search(element, &at.step(index(i)), found));
            }
            Value::Map(of) => of.iter_mut().for_each(|(key, entry)| search(entry, &at.key(key), found)),
            Value::Object(of) => {
                of.iter_mut().for_each(|(name, field)| search(field, &at.attribute(name), found))
            }
            Value::Dynamic(dynamic) => search(&mut dynamic.value, at, found),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut found = Vec::new();
    search(value, &Path::root(), &mut found);
    found
}

/// Gives numbers the exact form they have in `model` where an `f64` cannot tell the two apart: a float computed elsewhere
/// in a configuration is not the decimal of the same digits, and Terraform compares all 512 bits.
pub(crate) fn keep_number_forms(value: &mut Value, model: &Value) {
    fn each(entries: &mut BTreeMap<String, Value>, model: &BTreeMap<String, Value>) {
        for (name, value) in entries {
            if let Some(model) = model.get(name) {
                keep_number_forms(value, model);
            }
        }
    }
    match (value, model) {
        (Value::Number(number), Value::Number(model)) => {
            let same = number.as_f64().total_cmp(&model.as_f64()).is_eq();
            if same && !number.is_integer() && !model.is_integer() {
                *number = model.clone();
            }
        }
        (Value::List(of), Value::List(model)) | (Value::Tuple(of), Value::Tuple(model)) => {
            of.iter_mut().zip(model).for_each(|(value, model)| keep_number_forms(value, model));
        }
        (Value::Map(of), Value::Map(model)) | (Value::Object(of), Value::Object(model)) => each(of, model),
        _ => {}
    }
}
