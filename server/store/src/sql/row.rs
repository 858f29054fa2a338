//! A row of an answer, read by the names of its columns: ids and enums as text, times as microseconds since 1970, the
//! rest as JSON.

use std::{str::FromStr, sync::Arc};

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::Value;
use crate::{Error, column::from_json};

/// The names of the columns, shared by the rows of an answer.
pub(crate) type Names = Arc<[Box<str>]>;

/// A row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    names: Names,
    values: Vec<Value>,
}

/// Why a column does not read as what it should be.
#[derive(Debug, thiserror::Error)]
enum Misfit {
    #[error("the answer has no such column")]
    Missing,
    #[error("the column is null")]
    Null,
    #[error("the column is a number")]
    Number,
    #[error("the column is text")]
    Text,
}

impl Row {
    pub(super) fn new(names: Names, values: Vec<Value>) -> Self {
        Self { names, values }
    }

    fn value(&self, column: &str) -> Result<&Value, Misfit> {
        let place = self.names.iter().position(|name| **name == *column).ok_or(Misfit::Missing)?;
        self.values.get(place).ok_or(Misfit::Missing)
    }

    /// Text that may be null, as it lies there. A null has no type of its own.
    fn maybe_str(&self, column: &str) -> Result<Option<&str>, Error> {
        match self.value(column) {
            Ok(Value::Text(text)) => Ok(text.as_deref()),
            Ok(Value::Number(None)) => Ok(None),
            Ok(Value::Number(Some(_))) => Err(Error::decode(column)(Misfit::Number)),
            Err(misfit) => Err(Error::decode(column)(misfit)),
        }
    }

    fn str(&self, column: &str) -> Result<&str, Error> {
        self.maybe_str(column)?.ok_or_else(|| Error::decode(column)(Misfit::Null))
    }

    /// Text.
    pub(crate) fn text(&self, column: &str) -> Result<String, Error> {
        self.str(column).map(str::to_owned)
    }

    /// Text that may be null.
    pub(crate) fn maybe_text(&self, column: &str) -> Result<Option<String>, Error> {
        Ok(self.maybe_str(column)?.map(str::to_owned))
    }

    /// A number that may be null.
    pub(crate) fn maybe_number(&self, column: &str) -> Result<Option<i64>, Error> {
        match self.value(column) {
            Ok(Value::Number(number)) => Ok(*number),
            Ok(Value::Text(None)) => Ok(None),
            Ok(Value::Text(Some(_))) => Err(Error::decode(column)(Misfit::Text)),
            Err(misfit) => Err(Error::decode(column)(misfit)),
        }
    }

    /// A number.
    pub(crate) fn number(&self, column: &str) -> Result<i64, Error> {
        self.maybe_number(column)?.ok_or_else(|| Error::decode(column)(Misfit::Null))
    }

    /// Text that parses: an id, a name, an enum.
    pub(crate) fn parsed<T>(&self, column: &str) -> Result<T, Error>
    where
        T: FromStr,
        T::Err: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.str(column)?.parse().map_err(|error| Error::decode(column)(error))
    }

    /// A time.
    pub(crate) fn time(&self, column: &str) -> Result<Timestamp, Error> {
        Timestamp::from_microsecond(self.number(column)?).map_err(|error| Error::decode(column)(error))
    }

    /// A time that may be null.
    pub(crate) fn maybe_time(&self, column: &str) -> Result<Option<Timestamp>, Error> {
        let number = self.maybe_number(column)?;
        number.map(Timestamp::from_microsecond).transpose().map_err(|error| Error::decode(column)(error))
    }

    /// JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, Error> {
        from_json(column, self.str(column)?)
    }
}
