//! Types and their JSON form: `"string"`, `["list", T]`, `["object", {name: T}]`.

use std::{collections::BTreeMap, fmt};

use serde_json::{Value as Json, json};

use super::{Error, MAX_DEPTH, Path, Problem};

/// The type of a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Type {
    /// `string`, normalised Unicode.
    String,
    /// `number`, of any size and precision.
    Number,
    /// `bool`.
    Bool,
    /// A type that only the value tells.
    Dynamic,
    /// An ordered collection of one element type.
    List(Box<Type>),
    /// An unordered collection without duplicates.
    Set(Box<Type>),
    /// Names to values of one type.
    Map(Box<Type>),
    /// A sequence in which each place has its own type.
    Tuple(Vec<Type>),
    /// Named attributes, each with its own type.
    Object(BTreeMap<String, Type>),
}

impl Type {
    /// A list of this type.
    pub fn list(of: Type) -> Self {
        Self::List(Box::new(of))
    }

    /// A set of this type.
    pub fn set(of: Type) -> Self {
        Self::Set(Box::new(of))
    }

    /// A map to this type.
    pub fn map(of: Type) -> Self {
        Self::Map(Box::new(of))
    }

    /// The JSON form that schemas carry.
    pub fn to_json(&self) -> Vec<u8> {
        self.as_json().to_string().into_bytes()
    }

    fn as_json(&self) -> Json {
        match self {
            Self::String => json!("string"),
            Self::Number => json!("number"),
            Self::Bool => json!("bool"),
            Self::Dynamic => json!("dynamic"),
            Self::List(of) => json!(["list", of.as_json()]),
            Self::Set(of) => json!(["set", of.as_json()]),
            Self::Map(of) => json!(["map", of.as_json()]),
            Self::Tuple(of) => json!(["tuple", of.iter().map(Self::as_json).collect::<Vec<_>>()]),
            Self::Object(of) => {
                let attributes: serde_json::Map<_, _> =
                    of.iter().map(|(name, ty)| (name.clone(), ty.as_json())).collect();
                json!(["object", attributes])
            }
        }
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// Not JSON, not a type, or nested too deeply.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Error> {
        let json: Json = serde_json::from_slice(bytes)
            .map_err(|error| Error::new(&Path::root(), Problem::Malformed(error.to_string())))?;
        Self::parse(&json, 0)
    }

    fn parse(json: &Json, depth: usize) -> Result<Self, Error> {
        let wrong = || Error::mismatch(&Path::root(), "a type", json);
        if depth > MAX_DEPTH {
            return Err(Error::new(&Path::root(), Problem::TooLarge));
        }
        match json {
            Json::String(name) => match name.as_str() {
                "string" => Ok(Self::String),
                "number" => Ok(Self::Number),
                "bool" => Ok(Self::Bool),
                "dynamic" => Ok(Self::Dynamic),
                _ => Err(wrong()),
            },
            Json::Array(parts) => {
                let (Some(Json::String(kind)), Some(of)) = (parts.first(), parts.get(1)) else {
                    return Err(wrong());
                };
                match (kind.as_str(), of) {
                    ("list", of) => Ok(Self::list(Self::parse(of, depth + 1)?)),
                    ("set", of) => Ok(Self::set(Self::parse(of, depth + 1)?)),
                    ("map", of) => Ok(Self::map(Self::parse(of, depth + 1)?)),
                    ("tuple", Json::Array(of)) => Ok(Self::Tuple(
                        of.iter().map(|ty| Self::parse(ty, depth + 1)).collect::<Result<_, _>>()?,
                    )),
                    ("object", Json::Object(of)) => Ok(Self::Object(
                        of.iter()
                            .map(|(name, ty)| Ok((name.clone(), Self::parse(ty, depth + 1)?)))
                            .collect::<Result<_, Error>>()?,
                    )),
                    _ => Err(wrong()),
                }
            }
            _ => Err(wrong()),
        }
    }
}

/// As it is written in documentation: `List of String`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String => f.write_str("String"),
            Self::Number => f.write_str("Number"),
            Self::Bool => f.write_str("Boolean"),
            Self::Dynamic => f.write_str("Dynamic"),
            Self::List(of) => write!(f, "List of {of}"),
            Self::Set(of) => write!(f, "Set of {of}"),
            Self::Map(of) => write!(f, "Map of {of}"),
            Self::Tuple(_) => f.write_str("Tuple"),
            Self::Object(_) => f.write_str("Object"),
        }
    }
}
