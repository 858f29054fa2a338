//! Values of attributes on the wire: each is JSON text, so that numbers and lists keep what they are.

use std::collections::HashMap;

use underlay_core::profile::{SecretValues, Values};
use underlay_proto::v1 as pb;

use super::faults::Faults;

/// The longest value, in bytes of JSON.
const VALUE: usize = 64 << 10;

/// Reads values; null is the same as left out.
pub(crate) fn values(faults: &mut Faults, attribute: &str, message: HashMap<String, String>) -> Values {
    let mut values = Values::new();
    for (name, text) in faults.map(attribute, message) {
        if text.len() > VALUE {
            faults.add(attribute, format!("{name:?} is longer than {VALUE} bytes"));
            continue;
        }
        match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(value) if value.is_null() => {}
            Ok(value) => drop(values.insert(name, value)),
            Err(_) => faults.add(attribute, format!("{name:?} is not JSON")),
        }
    }
    values
}

/// Spells values.
pub(crate) fn message(values: &Values) -> HashMap<String, String> {
    values.iter().map(|(name, value)| (name.clone(), value.to_string())).collect()
}

/// Reads what the caller says of sealed values. The types that they have are noted by the server where it is given them; of a
/// Preview without them they are taken as they come.
pub(crate) fn secret_values(faults: &mut Faults, message: pb::SecretValues) -> SecretValues {
    let types = faults.map("secret_values_wo", message.types).into_iter();
    let types = types.filter_map(|(name, ty)| Some((name, faults.parse("secret_values_wo", &ty)?))).collect();
    SecretValues { version: message.version, types }
}

/// Spells what is known of sealed values.
pub(crate) fn secret_message(secrets: &SecretValues) -> pb::SecretValues {
    pb::SecretValues {
        version: secrets.version,
        types: secrets.types.iter().map(|(name, ty)| (name.clone(), ty.to_string())).collect(),
    }
}
