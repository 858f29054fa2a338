//! The type of an attribute, in the words of Terraform's type constraints: `string`, `number`, `bool`, `list(T)`,
//! `map(T)`.
//!
//! Invariant: nothing that is said of a value that does not fit repeats the value, which may be a secret.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How deep a type may be nested.
const DEPTH: usize = 4;

/// What a value must be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Type {
    /// Text.
    String,
    /// A number.
    Number,
    /// True or false.
    Bool,
    /// Any number of values of one type, in order.
    List(Box<Type>),
    /// Values of one type by name.
    Map(Box<Type>),
}

/// The text is not a type.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "\"{0}\" is not a type; use \"string\", \"number\", \"bool\", or \"list(T)\" or \"map(T)\" of one of these, nested at most {DEPTH} deep"
)]
pub struct BadType(String);

impl Type {
    /// Does `value` have this type?
    ///
    /// # Errors
    /// Where it does not, without the value: `[2] is a number and must be a string`.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        self.check_at(value, &mut String::new())
    }

    fn check_at(&self, value: &Value, path: &mut String) -> Result<(), String> {
        match (self, value) {
            (Type::String, Value::String(_))
            | (Type::Number, Value::Number(_))
            | (Type::Bool, Value::Bool(_)) => Ok(()),
            (Type::List(of), Value::Array(items)) => items
                .iter()
                .enumerate()
                .try_for_each(|(at, item)| of.check_in(item, path, &format!("[{at}]"))),
            (Type::Map(of), Value::Object(entries)) => {
                entries.iter().try_for_each(|(key, entry)| of.check_in(entry, path, &format!("[{key:?}]")))
            }
            (wanted, found) if path.is_empty() => Err(format!("is {} and must be {wanted}", noun(found))),
            (wanted, found) => Err(format!("{path} is {} and must be {wanted}", noun(found))),
        }
    }

    fn check_in(&self, value: &Value, path: &mut String, step: &str) -> Result<(), String> {
        let before = path.len();
        path.push_str(step);
        let checked = self.check_at(value, path);
        path.truncate(before);
        checked
    }

    /// The type that `value` has; `None` where it has none: null, a mixture, or an empty list or map.
    pub fn of(value: &Value) -> Option<Self> {
        Self::within(value, DEPTH)
    }

    fn within(value: &Value, depth: usize) -> Option<Self> {
        let one = |values: &mut dyn Iterator<Item = &Value>| {
            let of = Self::within(values.next()?, depth.checked_sub(1)?)?;
            let rest: Vec<_> = values.collect();
            rest.into_iter().all(|value| of.check(value).is_ok()).then(|| Box::new(of))
        };
        match value {
            Value::String(_) => Some(Type::String),
            Value::Number(_) => Some(Type::Number),
            Value::Bool(_) => Some(Type::Bool),
            Value::Array(items) => one(&mut items.iter()).map(Type::List),
            Value::Object(entries) => one(&mut entries.values()).map(Type::Map),
            Value::Null => None,
        }
    }

    /// Is it a single value, which can stand in a text as it is?
    pub fn is_plain(&self) -> bool {
        matches!(self, Type::String | Type::Number | Type::Bool)
    }

    fn parse(text: &str, depth: usize) -> Option<Self> {
        let text = text.trim();
        match text {
            "string" => return Some(Type::String),
            "number" => return Some(Type::Number),
            "bool" => return Some(Type::Bool),
            _ => {}
        }
        let (outer, inner) = text.strip_suffix(')')?.split_once('(')?;
        let inner = Box::new(Self::parse(inner, depth.checked_sub(1)?)?);
        match outer.trim() {
            "list" => Some(Type::List(inner)),
            "map" => Some(Type::Map(inner)),
            _ => None,
        }
    }
}

fn noun(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

impl FromStr for Type {
    type Err = BadType;

    fn from_str(text: &str) -> Result<Self, BadType> {
        Self::parse(text, DEPTH).ok_or_else(|| BadType(text.chars().take(60).collect()))
    }
}

impl TryFrom<String> for Type {
    type Error = BadType;

    fn try_from(text: String) -> Result<Self, BadType> {
        text.parse()
    }
}

impl From<Type> for String {
    fn from(ty: Type) -> Self {
        ty.to_string()
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::String => f.write_str("string"),
            Type::Number => f.write_str("number"),
            Type::Bool => f.write_str("bool"),
            Type::List(of) => write!(f, "list({of})"),
            Type::Map(of) => write!(f, "map({of})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ty(text: &str) -> Type {
        text.parse().expect("a type")
    }

    #[test]
    fn types_read_as_they_print_and_nonsense_is_refused() {
        for text in ["string", "number", "bool", "list(string)", "map(list(number))"] {
            assert_eq!(ty(text).to_string(), text);
        }
        assert_eq!(ty(" list( string ) "), ty("list(string)"));
        for text in [
            "",
            "text",
            "list",
            "list()",
            "list(string",
            "set(string)",
            "list(list(list(list(list(string)))))",
        ] {
            text.parse::<Type>().expect_err(text);
        }
    }

    #[test]
    fn a_value_that_does_not_fit_is_named_by_its_place_and_not_repeated() {
        let said =
            ty("map(list(string))").check(&json!({"a": ["x", "y"], "b": ["x", 7]})).expect_err("a number");
        assert_eq!(said, "[\"b\"][1] is a number and must be string");
        assert_eq!(
            ty("number").check(&json!("hunter2")).expect_err("text"),
            "is a string and must be number"
        );
        ty("list(string)").check(&json!([])).expect("an empty list is of any type");
    }

    #[test]
    fn the_type_of_a_value_is_found_where_it_has_one() {
        assert_eq!(Type::of(&json!(["a", "b"])), Some(ty("list(string)")));
        assert_eq!(Type::of(&json!({"a": {"b": true}})), Some(ty("map(map(bool))")));
        for none in [json!(null), json!([]), json!(["a", 1]), json!([[[[[1]]]]])] {
            assert_eq!(Type::of(&none), None, "{none}");
        }
    }
}
