//! Columns from the domain's types: times as microseconds since 1970, what is no word as JSON.

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

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
