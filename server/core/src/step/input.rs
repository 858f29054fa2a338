//! What goes into a step, and whether what came out is what was declared. Pure: the API asks at plan time, the controller
//! when the step is begun.

use std::collections::BTreeSet;

use super::Spec;
use crate::profile::{Resolved, Values};

/// The most that a step may give back, in bytes of JSON.
const OUTPUTS: usize = 16 << 10;

/// Something that does not fit; the value is not repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadInput(String);

/// What goes into the step: what a step before it gave, else an attribute of the machine, else what the step says itself.
///
/// # Errors
/// The first that is missing, secret, or of another type.
pub fn inputs(spec: &Spec, attributes: &Resolved, earlier: &Values) -> Result<Values, BadInput> {
    let mut given = Values::new();
    for (name, declared) in &spec.inputs {
        let attribute = attributes.0.get(name);
        if attribute.is_some_and(|attribute| attribute.secret) && !earlier.contains_key(name) {
            return Err(BadInput(format!("input {name:?} is a secret attribute, which is given to no step")));
        }
        let attribute = attribute.and_then(|attribute| attribute.value.as_ref());
        match earlier.get(name).or(attribute).or(spec.values.get(name)) {
            Some(value) => {
                declared.ty.check(value).map_err(|why| BadInput(format!("input {name:?} {why}")))?;
                given.insert(name.clone(), value.clone());
            }
            None if declared.required => {
                return Err(BadInput(format!(
                    "input {name:?} is given by nobody: no earlier step, no attribute of the machine, no values of the step"
                )));
            }
            None => {}
        }
    }
    Ok(given)
}

/// What the step would lack if it were planned now, where steps before it promise outputs of these names.
pub fn lacks(spec: &Spec, attributes: &Resolved, promised: &BTreeSet<String>) -> Option<BadInput> {
    let mut foreseen = spec.clone();
    foreseen.inputs.retain(|name, _| !promised.contains(name));
    foreseen.values.retain(|name, _| !promised.contains(name));
    inputs(&foreseen, attributes, &Values::new()).err()
}

/// What came out, if it is what was declared.
///
/// # Errors
/// The first that is missing, not declared, or of another type.
pub fn outputs(spec: &Spec, came: Values) -> Result<Values, BadInput> {
    let size: usize = came.iter().map(|(name, value)| name.len() + value.to_string().len()).sum();
    if size > OUTPUTS {
        return Err(BadInput(format!("what came out takes {size} bytes, {OUTPUTS} are allowed")));
    }
    for (name, value) in &came {
        let shown: String = name.chars().take(60).collect();
        let declared = spec.outputs.get(name);
        let declared = declared.ok_or_else(|| BadInput(format!("output {shown:?} is not declared")))?;
        declared.ty.check(value).map_err(|why| BadInput(format!("output {name:?} {why}")))?;
    }
    match spec.outputs.iter().find(|(name, declared)| declared.required && !came.contains_key(*name)) {
        Some((name, _)) => Err(BadInput(format!("output {name:?} did not come out"))),
        None => Ok(came),
    }
}
