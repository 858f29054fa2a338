//! The JSON form of values, as state files hold it, read and written along a [`Type`].
//!
//! Numbers keep every digit because they are read as text. Unknown cannot be written.

use std::collections::BTreeMap;

use serde_json::{Value as Json, value::RawValue};

use super::{Dynamic, Error, MAX_DEPTH, Number, Path, Problem, Type, Value};

/// The value of this type that JSON text holds.
///
/// Attributes the type lacks are dropped and missing ones are null: that is how a state of another provider version is read.
///
/// # Errors
/// Not JSON, nested too deeply, or of another type; the path says where.
pub fn decode(text: &[u8], ty: &Type) -> Result<Value, Error> {
    let raw: &RawValue = serde_json::from_slice(text).map_err(|error| malformed(&Path::root(), &error))?;
    read(raw, ty, &Path::root())
}

fn read(raw: &RawValue, ty: &Type, at: &Path) -> Result<Value, Error> {
    if at.steps().len() > MAX_DEPTH {
        return Err(Error::new(at, Problem::TooLarge));
    }
    let text = raw.get().trim();
    if text == "null" {
        return Ok(Value::Null);
    }
    match ty {
        Type::Bool => parse(text, ty, at).map(Value::Bool),
        Type::String => parse(text, ty, at).map(Value::String),
        Type::Number => number(text, at).map(Value::Number),
        Type::List(of) => elements(text, of, ty, at).map(Value::List),
        Type::Set(of) => elements(text, of, ty, at).map(Value::set),
        Type::Tuple(types) => {
            let items: Vec<&RawValue> = parse(text, ty, at)?;
            if items.len() != types.len() {
                return Err(Error::mismatch(at, ty, "a tuple of another length"));
            }
            let items = items.into_iter().zip(types).enumerate();
            items
                .map(|(i, (item, ty))| read(item, ty, &at.index(i)))
                .collect::<Result<_, _>>()
                .map(Value::Tuple)
        }
        Type::Map(of) => {
            let entries: BTreeMap<String, &RawValue> = parse(text, ty, at)?;
            let entries =
                entries.into_iter().map(|(key, entry)| Ok((key.clone(), read(entry, of, &at.key(&key))?)));
            entries.collect::<Result<_, _>>().map(Value::Map)
        }
        Type::Object(types) => {
            let mut found: BTreeMap<String, &RawValue> = parse(text, ty, at)?;
            let attributes = types.iter().map(|(name, ty)| {
                let value = match found.remove(name) {
                    Some(raw) => read(raw, ty, &at.attribute(name))?,
                    None => Value::Null,
                };
                Ok((name.clone(), value))
            });
            attributes.collect::<Result<_, _>>().map(Value::Object)
        }
        Type::Dynamic => dynamic(text, at),
    }
}

fn elements(text: &str, of: &Type, ty: &Type, at: &Path) -> Result<Vec<Value>, Error> {
    let items: Vec<&RawValue> = parse(text, ty, at)?;
    items.into_iter().enumerate().map(|(i, item)| read(item, of, &at.index(i))).collect()
}

/// `{"value": .., "type": ..}`.
fn dynamic(text: &str, at: &Path) -> Result<Value, Error> {
    let mut parts: BTreeMap<String, &RawValue> = parse(text, &Type::Dynamic, at)?;
    let (Some(value), Some(ty)) = (parts.remove("value"), parts.remove("type")) else {
        return Err(Error::mismatch(at, Type::Dynamic, "JSON without value and type"));
    };
    let ty = Type::from_json(ty.get().as_bytes()).map_err(|error| Error::new(at, error.problem))?;
    match ty {
        Type::Dynamic => Ok(Value::Null),
        // One step deeper, so that dynamic values within dynamic values are bounded too.
        ty => Ok(Value::Dynamic(Box::new(Dynamic { value: read(value, &ty, &at.attribute("value"))?, ty }))),
    }
}

fn number(text: &str, at: &Path) -> Result<Number, Error> {
    let digits = text.trim_matches('"');
    digits.parse().map_err(|_| Error::new(at, Problem::Number(digits.chars().take(40).collect())))
}

fn parse<'a, T: serde::Deserialize<'a>>(text: &'a str, ty: &Type, at: &Path) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::mismatch(at, ty, error))
}

fn malformed(at: &Path, error: &serde_json::Error) -> Error {
    Error::new(at, Problem::Malformed(error.to_string()))
}

/// The JSON form of a value of this type.
///
/// # Errors
/// The value holds an unknown or does not fit the type.
pub fn encode(value: &Value, ty: &Type) -> Result<Json, Error> {
    write(value, ty, &Path::root())
}

fn write(value: &Value, ty: &Type, at: &Path) -> Result<Json, Error> {
    if at.steps().len() > MAX_DEPTH {
        return Err(Error::new(at, Problem::TooLarge));
    }
    match (ty, value) {
        (_, Value::Unknown) => Err(Error::new(at, Problem::Unknown)),
        (_, Value::Null) => Ok(Json::Null),
        (Type::Dynamic, Value::Dynamic(dynamic)) => typed(&dynamic.value, &dynamic.ty, at),
        (Type::Dynamic, value) => typed(value, &value.ty(), at),
        (ty, Value::Dynamic(dynamic)) => write(&dynamic.value, ty, at),
        (Type::Bool, Value::Bool(flag)) => Ok(Json::Bool(*flag)),
        (Type::String, Value::String(text)) => Ok(Json::String(text.clone())),
        (Type::Number, Value::Number(number)) => write_number(number, at),
        (Type::List(of), Value::List(items)) | (Type::Set(of), Value::Set(items)) => {
            let items = items.iter().enumerate().map(|(i, item)| write(item, of, &at.index(i)));
            items.collect::<Result<_, _>>().map(Json::Array)
        }
        (Type::Tuple(types), Value::Tuple(items)) if types.len() == items.len() => {
            let items = items.iter().zip(types).enumerate();
            items
                .map(|(i, (item, ty))| write(item, ty, &at.index(i)))
                .collect::<Result<_, _>>()
                .map(Json::Array)
        }
        (Type::Map(of), Value::Map(entries)) => {
            let entries =
                entries.iter().map(|(key, entry)| Ok((key.clone(), write(entry, of, &at.key(key))?)));
            entries.collect::<Result<_, _>>().map(Json::Object)
        }
        (Type::Object(types), Value::Object(attributes)) => {
            let attributes = types.iter().map(|(name, ty)| {
                let value = attributes.get(name).unwrap_or(&Value::Null);
                Ok((name.clone(), write(value, ty, &at.attribute(name))?))
            });
            attributes.collect::<Result<_, _>>().map(Json::Object)
        }
        (ty, value) => Err(Error::mismatch(at, ty, value.kind())),
    }
}

fn typed(value: &Value, ty: &Type, at: &Path) -> Result<Json, Error> {
    let json = |error: serde_json::Error| malformed(at, &error);
    let ty_json: Json = serde_json::from_slice(&ty.to_json()).map_err(json)?;
    Ok(serde_json::json!({ "value": write(value, ty, at)?, "type": ty_json }))
}

/// Numbers that a JSON library would round are written as strings, which readers of state accept.
fn write_number(number: &Number, at: &Path) -> Result<Json, Error> {
    let text = number.exact();
    let parsed = serde_json::from_str::<serde_json::Number>(&text);
    match parsed {
        Ok(parsed) if parsed.to_string().parse() == Ok(number.clone()) => Ok(Json::Number(parsed)),
        Ok(_) => Ok(Json::String(text)),
        Err(error) => Err(malformed(at, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_attributes_are_dropped_and_missing_ones_are_null() {
        let ty = Type::Object([("a".into(), Type::String), ("b".into(), Type::Number)].into());
        let value = decode(br#"{"a":"x","old":[1,2]}"#, &ty).unwrap();
        assert_eq!(value, Value::object([("a", "x".into()), ("b", Value::Null)]));
    }

    #[test]
    fn numbers_keep_every_digit() {
        let digits = "123456789012345678901234567890.125";
        let value = decode(digits.as_bytes(), &Type::Number).unwrap();
        assert_eq!(value, Value::Number(digits.parse().unwrap()));
    }

    #[test]
    fn an_unknown_cannot_be_written() {
        let error = encode(&Value::List(vec![Value::Unknown]), &Type::list(Type::Bool)).unwrap_err();
        assert_eq!(error.to_string(), "[0]: the value is not known yet");
    }
}
