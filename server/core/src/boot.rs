//! The boot-plan projection: what DHCP, TFTP and HTTP answer one NIC. Controllers write it; boot servers only read it.

use std::net::IpAddr;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Mac, ObjectId, SecretString, host, network::Unknown, view};

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

/// What the image says that a host's BMC shows it as its CD (see [`crate::bmc::VirtualMedia`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Media {
    /// One-time token of this boot; sealed at rest by the store.
    #[serde(with = "token")]
    pub token: Token,
    /// The epoch of this boot.
    pub epoch: i64,
    /// Where the agent reaches the boot endpoint, `http://10.77.0.1:7480`; its BMC may know that by another address.
    pub url: String,
    /// The NIC to use, where it is known; else the agent takes the first that gets an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// The address that NIC takes; else the agent asks DHCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<host::Address>,
}

/// What the boot servers know of a NIC.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It belongs to a host; a host for which nothing is asked boots its own disk.
    Known {
        /// The host.
        host: ObjectId,
        /// What it is to boot.
        plan: Plan,
    },
    /// It belongs to no host: it gets what its network says.
    Unknown(Unknown),
}

/// What the boot servers read, and the two observations they may leave. A packet never changes state.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    /// What `mac`, asking from `from`, is to boot.
    async fn answer(&self, mac: Mac, from: IpAddr) -> Result<Answer, view::Error>;

    /// A NIC was seen doing something ("fetched the kernel"). Bounded and never blocking: may be dropped.
    fn saw(&self, mac: Mac, what: &str);

    /// What the image says that is asked for by this secret, and whose boot it is; none where nobody was given it.
    fn media(&self, _secret: &str) -> Option<(ObjectId, Media)> {
        None
    }

    /// A host's BMC was seen doing something ("read its boot image"). As [`Directory::saw`].
    fn saw_bmc(&self, _host: ObjectId, _what: &str) {}

    /// Somebody who says `proof` wants a host looked at, because its BMC saw something. A hint, which may be dropped.
    fn hinted(&self, _host: ObjectId, _proof: &str) -> Redemption {
        Redemption::Refused
    }

    /// The installed system called its one-time URL.
    async fn phone_home(&self, call: PhoneHome) -> Result<Redemption, view::Error>;
}

/// The call of an installed system.
#[derive(Clone, Debug)]
pub struct PhoneHome {
    /// [`digest`] of the token in the URL.
    pub token: String,
    /// Where it came from.
    pub address: IpAddr,
    /// SSH host public keys it announced, in `authorized_keys` form.
    pub ssh_host_keys: Vec<String>,
}

/// What became of a one-time token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redemption {
    /// It was good; calling again with it is harmless.
    Accepted,
    /// Unknown, expired, revoked or meant for something else.
    Refused,
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
