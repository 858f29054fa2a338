//! A size in bytes that reads and prints the way people write sizes: `4GiB`, `512MiB`, `400GB`.
//!
//! Binary and decimal suffixes are kept apart, as in IEC 80000-13; a bare number is bytes.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

/// The text is not a size.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{0}\" is not a size; write it as 4GiB, 512MiB or 400GB")]
pub struct ParseError(String);

impl FromStr for Bytes {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError(text.chars().take(40).collect());
        let trimmed = text.trim();
        let (number, unit) = UNITS
            .iter()
            .find_map(|(suffix, unit)| Some((trimmed.strip_suffix(suffix)?, *unit)))
            .unwrap_or((trimmed, 1));
        let number: u64 = number.trim().parse().map_err(|_| error())?;
        number.checked_mul(unit).map(Bytes).ok_or_else(error)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = UNITS
            .iter()
            .filter(|(_, unit)| self.0 != 0 && self.0.is_multiple_of(*unit))
            .max_by_key(|(_, unit)| *unit)
            .unwrap_or(&("B", 1));
        write!(f, "{}{}", self.0 / exact.1, exact.0)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_prints_as_it_was_written() {
        for text in ["4GiB", "512MiB", "400GB", "1TiB", "7B", "0B"] {
            assert_eq!(text.parse::<Bytes>().expect(text).to_string(), text);
        }
        assert_eq!("1024".parse(), Ok(Bytes(1024)));
    }

    #[test]
    fn nonsense_and_overflow_are_refused() {
        for text in ["", "GiB", "-1GiB", "1.5GiB", "99999999999TiB"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }
}
