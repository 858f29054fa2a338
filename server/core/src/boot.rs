//! The boot-plan projection: what DHCP, TFTP and HTTP answer one NIC. Controllers write it; boot servers only read it.

use serde::{Deserialize, Serialize};

use crate::{ObjectId, SecretString};

/// What a NIC is to boot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "boot", rename_all = "snake_case")]
pub enum Plan {
    /// Its own disk.
    LocalDisk,
    /// The agent, which calls home with the token.
    Agent {
        /// One-time token of this boot; sealed at rest by the store.
        #[serde(with = "token")]
        token: Token,
        /// The epoch of this boot.
        epoch: i64,
        /// The host, for the agent's command line.
        host: ObjectId,
    },
}

/// A bearer token; never printed.
#[derive(Clone, Debug)]
pub struct Token(pub SecretString);

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        use secrecy::ExposeSecret;
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl Token {
    /// The digest under which the token is granted: BLAKE3, hex.
    pub fn digest(&self) -> String {
        use secrecy::ExposeSecret;
        digest(self.0.expose_secret())
    }
}

/// The digest of a token that somebody presents: BLAKE3, hex.
pub fn digest(token: &str) -> String {
    blake3::hash(token.as_bytes()).to_hex().to_string()
}

mod token {
    use secrecy::ExposeSecret;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Token;

    pub(super) fn serialize<S: Serializer>(token: &Token, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(token.0.expose_secret())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Token, D::Error> {
        String::deserialize(deserializer).map(|text| Token(text.into()))
    }
}
