//! Reading the fields of an object, for derived code.

use std::collections::BTreeMap;

use super::AttrType;
use crate::cty::{Error, Path, Value};

/// The fields of one object, read by name.
#[derive(Debug)]
pub struct Fields<'a> {
    fields: &'a BTreeMap<String, Value>,
    at: &'a Path,
}

impl<'a> Fields<'a> {
    /// The fields of the object at a path.
    pub fn new(fields: &'a BTreeMap<String, Value>, at: &'a Path) -> Self {
        Self { fields, at }
    }

    /// A field; one that is missing reads as null.
    ///
    /// # Errors
    /// It has another type.
    pub fn read<T: AttrType>(&self, name: &str) -> Result<T, Error> {
        T::from_value(self.fields.get(name).unwrap_or(&Value::Null), &self.at.attribute(name))
    }
}

/// Names and values as fields.
pub fn into_fields<const N: usize>(fields: [(&str, Value); N]) -> BTreeMap<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
