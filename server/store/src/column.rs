//! Columns as the domain's types: ids and enums as text, times as microseconds since 1970, the rest as JSON.

use std::str::FromStr;

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row, any::AnyRow};

use crate::Error;

/// Microseconds since 1970.
pub(crate) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// `at` cut to what a column holds, so that a value reads back as it was written.
pub(crate) fn truncated(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

/// A value as its JSON column.
pub(crate) fn json(what: &str, value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(Error::decode(what))
}

/// A JSON column as its type.
pub(crate) fn from_json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(Error::decode(what))
}

/// Reads columns by name.
pub(crate) trait Columns {
    /// Text.
    fn text(&self, column: &str) -> Result<String, Error>;
    /// Text that may be null.
    fn maybe_text(&self, column: &str) -> Result<Option<String>, Error>;
    /// A number.
    fn number(&self, column: &str) -> Result<i64, Error>;
    /// A number that may be null.
    fn maybe_number(&self, column: &str) -> Result<Option<i64>, Error>;

    /// Text that parses: an id, a name, an enum.
    fn parsed<T>(&self, column: &str) -> Result<T, Error>
    where
        T: FromStr,
        T::Err: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.text(column)?.parse().map_err(Error::decode(column))
    }

    /// A time.
    fn time(&self, column: &str) -> Result<Timestamp, Error> {
        Timestamp::from_microsecond(self.number(column)?).map_err(Error::decode(column))
    }

    /// A time that may be null.
    fn maybe_time(&self, column: &str) -> Result<Option<Timestamp>, Error> {
        let number = self.maybe_number(column)?;
        number.map(Timestamp::from_microsecond).transpose().map_err(Error::decode(column))
    }

    /// JSON.
    fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, Error> {
        from_json(column, &self.text(column)?)
    }
}

impl Columns for AnyRow {
    fn text(&self, column: &str) -> Result<String, Error> {
        self.try_get(column).map_err(Error::decode(column))
    }

    fn maybe_text(&self, column: &str) -> Result<Option<String>, Error> {
        self.try_get(column).map_err(Error::decode(column))
    }

    fn number(&self, column: &str) -> Result<i64, Error> {
        self.try_get(column).map_err(Error::decode(column))
    }

    fn maybe_number(&self, column: &str) -> Result<Option<i64>, Error> {
        self.try_get(column).map_err(Error::decode(column))
    }
}
