//! A value of any type, in which null, unknown and known are kept apart.
//!
//! Sets are sorted and hold no duplicates, so two sets with the same elements are equal.

use std::collections::BTreeMap;

use super::{Number, Path, Step, Type};

/// A value.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// Not set.
    #[default]
    Null,
    /// Set, but not known until apply.
    Unknown,
    /// A bool.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(String),
    /// A list.
    List(Vec<Value>),
    /// A set; make it with [`Value::set`].
    Set(Vec<Value>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A map.
    Map(BTreeMap<String, Value>),
    /// An object.
    Object(BTreeMap<String, Value>),
    /// A value that brings its own type.
    Dynamic(Box<Dynamic>),
}

/// A value that brings its own type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dynamic {
    /// Its type; never [`Type::Dynamic`].
    pub ty: Type,
    /// The value itself.
    pub value: Value,
}

impl Value {
    /// A set of these elements, sorted; known duplicates are dropped.
    pub fn set(elements: impl IntoIterator<Item = Value>) -> Self {
        let mut elements: Vec<Value> = elements.into_iter().collect();
        elements.sort();
        elements.dedup_by(|a, b| a == b && a.is_wholly_known());
        Self::Set(elements)
    }

    /// An object of these attributes.
    pub fn object<K: Into<String>>(attributes: impl IntoIterator<Item = (K, Value)>) -> Self {
        Self::Object(attributes.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Dynamic(dynamic) => dynamic.value.is_null(),
            _ => false,
        }
    }

    /// Whether it is unknown as a whole.
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::Unknown => true,
            Self::Dynamic(dynamic) => dynamic.value.is_unknown(),
            _ => false,
        }
    }

    /// Whether nothing in it is unknown.
    pub fn is_wholly_known(&self) -> bool {
        match self {
            Self::Unknown => false,
            Self::List(of) | Self::Set(of) | Self::Tuple(of) => of.iter().all(Self::is_wholly_known),
            Self::Map(of) | Self::Object(of) => of.values().all(Self::is_wholly_known),
            Self::Dynamic(dynamic) => dynamic.value.is_wholly_known(),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) => true,
        }
    }

    /// The value without the type it brings along.
    pub fn plain(&self) -> &Value {
        match self {
            Self::Dynamic(dynamic) => dynamic.value.plain(),
            other => other,
        }
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self.plain() {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of a list, set or tuple.
    pub fn elements(&self) -> Option<&[Value]> {
        match self.plain() {
            Self::List(of) | Self::Set(of) | Self::Tuple(of) => Some(of),
            _ => None,
        }
    }

    /// The attributes of an object or the entries of a map.
    pub fn entries(&self) -> Option<&BTreeMap<String, Value>> {
        match self.plain() {
            Self::Map(of) | Self::Object(of) => Some(of),
            _ => None,
        }
    }

    /// An attribute of an object, or an entry of a map.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.entries()?.get(name)
    }

    /// The value at a path; `None` where a step leads nowhere.
    pub fn at(&self, path: &Path) -> Option<&Value> {
        path.steps().iter().try_fold(self, |value, step| match step {
            Step::Attribute(name) | Step::Key(name) => value.get(name),
            Step::Index(index) => value.elements()?.get(usize::try_from(*index).ok()?),
            Step::Element(element) => value.elements()?.iter().find(|candidate| *candidate == &**element),
        })
    }

    /// The type this value shows: collections of values are tuples and objects unless they are lists, sets or maps of
    /// elements that agree. Null and unknown show [`Type::Dynamic`].
    pub fn ty(&self) -> Type {
        match self {
            Self::Null | Self::Unknown => Type::Dynamic,
            Self::Bool(_) => Type::Bool,
            Self::Number(_) => Type::Number,
            Self::String(_) => Type::String,
            Self::List(of) => Type::list(element_type(of.iter())),
            Self::Set(of) => Type::set(element_type(of.iter())),
            Self::Map(of) => Type::map(element_type(of.values())),
            Self::Tuple(of) => Type::Tuple(of.iter().map(Self::ty).collect()),
            Self::Object(of) => {
                Type::Object(of.iter().map(|(name, value)| (name.clone(), value.ty())).collect())
            }
            Self::Dynamic(dynamic) => dynamic.ty.clone(),
        }
    }

    /// What it is, for an error message.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Unknown => "an unknown value",
            Self::Bool(_) => "a bool",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::List(_) => "a list",
            Self::Set(_) => "a set",
            Self::Tuple(_) => "a tuple",
            Self::Map(_) => "a map",
            Self::Object(_) => "an object",
            Self::Dynamic(_) => "a dynamic value",
        }
    }
}

/// The type of the first element that shows one.
fn element_type<'a>(elements: impl Iterator<Item = &'a Value>) -> Type {
    elements.map(Value::ty).find(|ty| *ty != Type::Dynamic).unwrap_or(Type::Dynamic)
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<i64> for Value {
    fn from(int: i64) -> Self {
        Self::Number(int.into())
    }
}
