//! Values of attributes between configuration and API. In HCL they are one dynamic attribute, so that a number and a list stand
//! beside each other; on the wire each is JSON.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value as Json;
use tfplugin::{
    Attr, Diagnostic,
    cty::{self, Number, Type, Value},
};
use underlay_proto::v1 as pb;

use crate::written::{Fit, Unfit};

/// The values to send, each as JSON; those that are null are left out.
pub(crate) fn values(at: &str, written: &Attr<Value>) -> Fit<HashMap<String, String>> {
    Ok(read(at, written)?.into_iter().map(|(name, value)| (name, value.to_string())).collect())
}

/// The secret values to send, and what is said of them. They are sent only with a new version: else a change without one
/// would slip in with something else.
pub(crate) fn secrets(
    written: &Attr<Value>,
    version: &Attr<i64>,
    prior: Option<&Attr<i64>>,
) -> Fit<(Option<pb::SecretValues>, Option<String>)> {
    if written.is_null() {
        return Ok((None, None));
    }
    let noted = match version {
        Attr::Unknown => return Err(Unfit::NotKnown),
        Attr::Null => 0,
        Attr::Value(version) => *version,
    };
    let noted = pb::SecretValues { version: noted, ..Default::default() };
    if prior == Some(version) {
        return Ok((Some(noted), None));
    }
    let values = read("secret_values_wo", written)?;
    Ok((Some(noted), Some(Json::Object(values.into_iter().collect()).to_string())))
}

fn read(at: &str, written: &Attr<Value>) -> Fit<BTreeMap<String, Json>> {
    let value = match written {
        Attr::Null => return Ok(BTreeMap::new()),
        Attr::Unknown => return Err(Unfit::NotKnown),
        Attr::Value(value) => value,
    };
    if !value.is_wholly_known() {
        return Err(Unfit::NotKnown);
    }
    let wrong = |why: &str| {
        Unfit::Wrong(Diagnostic::error(format!("Invalid value for {at}"), format!("{at}: {why}")).at(at))
    };
    let entries = value.entries().ok_or_else(|| {
        wrong("must be an object: one entry for each attribute, such as { \"ntp.servers\" = [\"10.0.0.1\"] }")
    })?;
    let mut values = BTreeMap::new();
    for (name, entry) in entries.iter().filter(|(_, entry)| !entry.is_null()) {
        let plain = entry.plain();
        // What cannot be written as JSON is not repeated: it may be a secret.
        let json =
            cty::to_json(plain, &plain.ty()).map_err(|_| wrong(&format!("{name:?} has no JSON form")))?;
        values.insert(name.clone(), json);
    }
    Ok(values)
}

/// The values that the server has; the user's spelling where it means the same.
pub(crate) fn seen_values(prior: &Attr<Value>, seen: &HashMap<String, String>) -> Attr<Value> {
    let seen: BTreeMap<String, Json> = seen
        .iter()
        .map(|(name, text)| (name.clone(), serde_json::from_str(text).unwrap_or(Json::Null)))
        .collect();
    match read("values", prior) {
        Ok(written) if same(&written, &seen) => prior.clone(),
        _ if seen.is_empty() => Attr::Null,
        _ => {
            Attr::Value(Value::Object(seen.iter().map(|(name, json)| (name.clone(), value(json))).collect()))
        }
    }
}

/// Numbers are compared as the server keeps them.
fn same(written: &BTreeMap<String, Json>, seen: &BTreeMap<String, Json>) -> bool {
    let read_again = |json: &Json| serde_json::from_str::<Json>(&json.to_string()).unwrap_or(Json::Null);
    written.len() == seen.len()
        && written
            .iter()
            .all(|(name, json)| seen.get(name).is_some_and(|other| same_json(&read_again(json), other)))
}

fn same_json(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same_json(left, right))
        }
        (Json::Object(left), Json::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, left)| right.get(key).is_some_and(|right| same_json(left, right)))
        }
        (left, right) => left == right,
    }
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => {
            number.to_string().parse::<Number>().map_or_else(|_| Value::Null, Value::Number)
        }
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => Value::Tuple(items.iter().map(value).collect()),
        Json::Object(entries) => {
            Value::Object(entries.iter().map(|(key, entry)| (key.clone(), value(entry))).collect())
        }
    }
}

/// For `#[tf(validate = ...)]`: attributes by name.
///
/// # Errors
/// It is anything else.
pub(crate) fn valid(written: &Value) -> Result<(), String> {
    match written.plain().ty() {
        Type::Object(_) | Type::Map(_) | Type::Dynamic => Ok(()),
        _ => Err(
            "must be an object: one entry for each attribute, such as { \"ntp.servers\" = [\"10.0.0.1\"] }"
                .into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Attr<Value> {
        let servers = Value::Tuple(vec!["10.0.0.1".into()]);
        Attr::Value(Value::object([("ntp", servers), ("mtu", Value::from(9000)), ("none", Value::Null)]))
    }

    #[test]
    fn values_of_unlike_types_travel_as_json_and_nulls_do_not() {
        let sent = values("values", &written()).expect("known");
        assert_eq!((sent.len(), sent["ntp"].as_str(), sent["mtu"].as_str()), (2, "[\"10.0.0.1\"]", "9000"));
        assert_eq!(seen_values(&written(), &sent), written(), "the user's spelling is kept");
    }

    #[test]
    fn what_the_server_has_otherwise_is_shown() {
        let seen = HashMap::from([("mtu".to_owned(), "1500".to_owned())]);
        let shown = seen_values(&written(), &seen);
        assert_eq!(values("values", &shown).expect("known"), seen);
        assert_eq!(seen_values(&written(), &HashMap::new()), Attr::Null);
    }

    #[test]
    fn secrets_are_sent_with_a_new_version_only() {
        let (one, two) = (Attr::Value(1), Attr::Value(2));
        let (noted, text) = secrets(&written(), &two, Some(&one)).expect("known");
        assert_eq!((noted.map(|it| it.version), text.is_some()), (Some(2), true));
        assert_eq!(secrets(&written(), &one, Some(&one)).expect("known").1, None);
        assert_eq!(secrets(&Attr::Null, &one, Some(&one)).expect("known"), (None, None));
    }

    #[test]
    fn what_is_not_known_yet_is_not_sent() {
        let half = Attr::Value(Value::object([("ntp", Value::Unknown)]));
        assert!(matches!(values("values", &half), Err(Unfit::NotKnown)));
    }
}
