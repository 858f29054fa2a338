//! The two digests an image carries, each its own type so that one is never compared with the other.
//!
//! SHA-256 names what the operator asked for (the source, as published beside the download); BLAKE3 guards what
//! underlay itself stores and sends. Both are written as 64 lower-case hexadecimal digits, and upper case is read.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The text is not a digest.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a {1} digest: 64 hexadecimal digits are wanted")]
pub struct BadDigest(String, &'static str);

macro_rules! digests {
    ($($(#[$doc:meta])* $name:ident $word:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; 32]);

        impl $name {
            /// The digest whose 32 bytes these are.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadDigest;

            fn from_str(text: &str) -> Result<Self, BadDigest> {
                let mut bytes = [0; 32];
                hex::decode_to_slice(text, &mut bytes)
                    .map_err(|_| BadDigest(text.chars().take(70).collect(), $word))?;
                Ok(Self(bytes))
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadDigest;

            fn try_from(text: String) -> Result<Self, BadDigest> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(digest: $name) -> String {
                digest.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}:{self}", $word)
            }
        }
    )*};
}

digests! {
    /// The SHA-256 of an image's source, byte for byte as it was published.
    Sha256 "sha256";
    /// The BLAKE3 of stored bytes, or of a manifest.
    Blake3 "blake3";
}

impl Blake3 {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_what_it_writes_and_upper_case_too() {
        let digest = Blake3::of(b"underlay");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(digest.to_string().to_uppercase().parse(), Ok(digest));
    }

    #[test]
    fn what_could_be_a_path_or_is_short_is_no_digest() {
        for text in ["", "../../etc/passwd", "ab", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64)] {
            assert!(text.parse::<Sha256>().is_err(), "{text}");
        }
    }
}
