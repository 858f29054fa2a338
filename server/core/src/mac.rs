//! An IEEE 802 MAC address: six bytes, written `52:54:00:12:34:56` everywhere in underlay.
//!
//! Accepts the colon, dash and Cisco dot forms on input; always prints lower case with colons.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A 48-bit hardware address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

/// The text is not a MAC address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{0}\" is not a MAC address; write it as 52:54:00:12:34:56")]
pub struct ParseError(String);

impl Mac {
    /// True for a unicast address, the only kind a NIC can boot from.
    pub fn is_unicast(&self) -> bool {
        let [first, ..] = self.0;
        first & 1 == 0 && self.0 != [0; 6]
    }
}

impl FromStr for Mac {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let digits: String = text.chars().filter(|c| !matches!(c, ':' | '-' | '.')).collect();
        let mut bytes = [0; 6];
        match hex::decode_to_slice(&digits, &mut bytes) {
            Ok(()) if text.len() <= 17 => Ok(Self(bytes)),
            _ => Err(ParseError(text.chars().take(40).collect())),
        }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_common_spelling_reads_as_the_same_address() {
        let expected = Mac([0x52, 0x54, 0, 0x12, 0x34, 0xab]);
        for text in ["52:54:00:12:34:AB", "52-54-00-12-34-ab", "5254.0012.34ab", "5254001234ab"] {
            assert_eq!(text.parse::<Mac>(), Ok(expected), "{text}");
        }
        assert_eq!(expected.to_string(), "52:54:00:12:34:ab");
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "52:54", "52:54:00:12:34:zz", "52:54:00:12:34:ab:cd", "::::::::::::525400123456"] {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }
}
