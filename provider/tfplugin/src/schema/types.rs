//! Which Rust types an attribute can have, and how each becomes a value and back.
//!
//! `Vec` is a list, `BTreeSet` a set, `BTreeMap<String, _>` a map, a struct with `#[derive(Schema)]` a nested object, and
//! [`Value`] anything at all (a dynamic attribute). Elements are plain or `Attr<T>`; while any plain element is unknown, the
//! whole attribute reads as unknown.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::{ExposeSecret, SecretString};

use super::{Attr, Attribute, Schema};
use crate::cty::{Error, Number, Path, Problem, Step, Type, Value};

/// How nested objects are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nesting {
    /// One object.
    Single,
    /// A list of objects.
    List,
    /// A set of objects.
    Set,
    /// A map of objects.
    Map,
}

/// What an attribute looks like to Terraform.
#[derive(Debug, Clone)]
pub enum Shape {
    /// A value of this type.
    Type(Type),
    /// Nested objects with attributes of their own.
    Nested(Nesting, Vec<Attribute>),
}

impl Shape {
    /// The type of its values.
    pub fn ty(&self) -> Type {
        match self {
            Self::Type(ty) => ty.clone(),
            Self::Nested(nesting, attributes) => {
                let object = Type::Object(attributes.iter().map(|a| (a.name().to_owned(), a.ty())).collect());
                match nesting {
                    Nesting::Single => object,
                    Nesting::List => Type::list(object),
                    Nesting::Set => Type::set(object),
                    Nesting::Map => Type::map(object),
                }
            }
        }
    }

    /// A collection whose elements look like this.
    fn within(self, nesting: Nesting, plain: fn(Type) -> Type) -> Self {
        match self {
            Self::Nested(Nesting::Single, attributes) => Self::Nested(nesting, attributes),
            other => Self::Type(plain(other.ty())),
        }
    }
}

/// A Rust type that an attribute, or an element of one, can have.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the type of a Terraform attribute",
    note = "use String, SecretString, bool, i64, u64, u32, u16, f64, Number, Value, Vec<_>, BTreeSet<_>, BTreeMap<String, _> or a struct with #[derive(Schema)]"
)]
pub trait AttrType: Sized + Send + Sync + 'static {
    /// What it looks like to Terraform.
    fn shape() -> Shape;

    /// Reads a value found at a path.
    ///
    /// # Errors
    /// Another type, null or unknown where this type has no room for it, or a number that does not fit.
    fn from_value(value: &Value, at: &Path) -> Result<Self, Error>;

    /// The value.
    fn to_value(&self) -> Value;
}

/// An error for a value of the wrong kind; null and unknown are told apart.
fn wrong<T: AttrType>(value: &Value, at: &Path) -> Error {
    match value {
        Value::Unknown => Error::new(at, Problem::Unknown),
        Value::Null => Error::new(at, Problem::Null),
        other => Error::mismatch(at, T::shape().ty(), other.kind()),
    }
}

impl<T: AttrType> AttrType for Attr<T> {
    fn shape() -> Shape {
        T::shape()
    }

    fn from_value(value: &Value, at: &Path) -> Result<Self, Error> {
        if value.is_null() {
            return Ok(Self::Null);
        }
        match T::from_value(value, at) {
            Err(error) if error.is_unknown() => Ok(Self::Unknown),
            other => other.map(Self::Value),
        }
    }

    fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Unknown => Value::Unknown,
            Self::Value(value) => value.to_value(),
        }
    }
}

impl<T: Schema> AttrType for T {
    fn shape() -> Shape {
        Shape::Nested(Nesting::Single, T::attributes())
    }

    fn from_value(value: &Value, at: &Path) -> Result<Self, Error> {
        match value {
            Value::Object(fields) => T::from_fields(fields, at),
            other => Err(wrong::<T>(other, at)),
        }
    }

    fn to_value(&self) -> Value {
        Value::Object(self.to_fields())
    }
}

impl AttrType for String {
    fn shape() -> Shape {
        Shape::Type(Type::String)
    }

    fn from_value(value: &Value, at: &Path) -> Result<Self, Error> {
        match value {
            Value::String(text) => Ok(text.clone()),
            other => Err(wrong::<Self>(other, at)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.clone())
    }
}

/// A string that does not show in Debug output: for passwords and tokens.
impl AttrType for SecretString {
    fn shape() -> Shape {
        Shape::Type(Type::String)
    }

    fn from_value(value: &Value, at: &Path) -> Result<Self, Error> {
        String::from_value(value, at).map(Self::from)
    }

    fn to_value(&self) -> Value {
        Value::String(self.expose_secret().to_owned())
    }
}

impl AttrType for bool {
    fn shape() -> Shape {
        Shape::Type(Type::Bool)
    }

    fn from_value(value: &Value, at: &Path) -> Result<Self, Error> {
        match value {
            Value::Bool(flag) => Ok(*flag),
            other => Err(wrong::<Self>(other, at)),
        }
    }

    fn to_value(&self) -> Value {
        Value::Bool(*self)
    }
}

impl AttrType for Number {
    fn shape() -> Shape {
        Shape::Type(Type::Number)
    }

    fn from_value(value: &Value, at: &Path) -> Result<Self, Error> {
        match value {
            Value::Number(number) => Ok(number.clone()),
            other => Err(wrong::<Self>(other, at)),
        }
    }

    fn to_value(&self) -> Value {
        Value::Number(self.clone())
    }
}

impl AttrType for f64 {
    fn shape() -> Shape {
        Shape::Type(Type::Number)
    }

    fn from_value(value: &Value, at: &Path) -> Result<Self, Error> {
        Ok(Number::from_value(value, at)?.as_f64())
    }

    /// NaN, which Terraform does not have, is null.
    fn to_value(&self) -> Value {
        Number::from_f64(*self).map_or(Value::Null, Value::Number)
    }
}

macro_rules! integer {
    ($($int:ty => $wide:ty),*) => {$(
        impl AttrType for $int {
            fn shape() -> Shape {
                Shape::Type(Type::Number)
            }

            fn from_value(value: &Value, at: &Path) -> Result<Self, Error> {
                let number = Number::from_value(value, at)?;
                let unfit = || Error::new(at, Problem::Number(format!("{number} (a whole number from {} to {} is needed)", <$int>::MIN, <$int>::MAX)));
                number.to_string().parse().map_err(|_| unfit())
            }

            fn to_value(&self) -> Value {
                Value::Number(<$wide>::from(*self).into())
            }
        }
    )*};
}
integer!(i64 => i64, i32 => i64, u64 => u64, u32 => u64, u16 => u64);

impl AttrType for Value {
    fn shape() -> Shape {
        Shape::Type(Type::Dynamic)
    }

    fn from_value(value: &Value, at: &Path) -> Result<Self, Error> {
        match value {
            Value::Null | Value::Unknown => Err(wrong::<Self>(value, at)),
            other => Ok(other.clone()),
        }
    }

    fn to_value(&self) -> Value {
        self.clone()
    }
}

impl<T: AttrType> AttrType for Vec<T> {
    fn shape() -> Shape {
        T::shape().within(Nesting::List, Type::list)
    }

    fn from_value(value: &Value, at: &Path) -> Result<Self, Error> {
        match value {
            Value::List(elements) => {
                elements.iter().enumerate().map(|(i, element)| T::from_value(element, &at.index(i))).collect()
            }
            other => Err(wrong::<Self>(other, at)),
        }
    }

    fn to_value(&self) -> Value {
        Value::List(self.iter().map(T::to_value).collect())
    }
}

impl<T: AttrType + Ord> AttrType for BTreeSet<T> {
    fn shape() -> Shape {
        T::shape().within(Nesting::Set, Type::set)
    }

    fn from_value(value: &Value, at: &Path) -> Result<Self, Error> {
        let element = |value: &Value| T::from_value(value, &at.step(Step::Element(Box::new(value.clone()))));
        match value {
            Value::Set(elements) => elements.iter().map(element).collect(),
            other => Err(wrong::<Self>(other, at)),
        }
    }

    fn to_value(&self) -> Value {
        Value::set(self.iter().map(T::to_value))
    }
}

impl<T: AttrType> AttrType for BTreeMap<String, T> {
    fn shape() -> Shape {
        T::shape().within(Nesting::Map, Type::map)
    }

    fn from_value(value: &Value, at: &Path) -> Result<Self, Error> {
        match value {
            Value::Map(entries) => entries
                .iter()
                .map(|(key, entry)| Ok((key.clone(), T::from_value(entry, &at.key(key))?)))
                .collect(),
            other => Err(wrong::<Self>(other, at)),
        }
    }

    fn to_value(&self) -> Value {
        Value::Map(self.iter().map(|(key, entry)| (key.clone(), entry.to_value())).collect())
    }
}
