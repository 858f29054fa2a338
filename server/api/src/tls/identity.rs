//! What an agent's certificate says. The URI in its subject alternative names (RFC 5280 section 4.2.1.6) is the only place
//! that is taken from: `underlay:agent:HOST:EPOCH` for an agent in RAM, `underlay:resident:HOST:KEY` for one that lives on
//! an installed system. Invariant: neither kind passes for the other, so a resident is never given work of any epoch.

use std::fmt;

use underlay_core::ObjectId;
use x509_parser::{extensions::GeneralName, prelude::FromDer};

/// An agent that redeemed a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentIdentity {
    /// The host it runs on.
    pub host: ObjectId,
    /// The boot for which its token was minted.
    pub epoch: i64,
}

impl fmt::Display for AgentIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "underlay:agent:{}:{}", self.host, self.epoch)
    }
}

/// An agent that lives on an installed system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResidentIdentity {
    /// The host it lives on.
    pub host: ObjectId,
    /// SHA-256 of its public key, as [`super::Authority::check`] says it.
    pub key: [u8; 32],
}

impl ResidentIdentity {
    /// The fingerprint of its key, as the store has it.
    pub fn fingerprint(&self) -> String {
        hex::encode(self.key)
    }

    /// What a certificate that was verified says; `None` if it is not a resident's.
    pub(crate) fn of(certificate: &[u8]) -> Option<Self> {
        let (host, key) = name(certificate, "underlay:resident:")?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(key, &mut bytes).ok()?;
        Some(Self { host: host.parse().ok()?, key: bytes })
    }
}

impl fmt::Display for ResidentIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "underlay:resident:{}:{}", self.host, self.fingerprint())
    }
}

impl AgentIdentity {
    /// What a certificate that was verified says; `None` if it is not an agent's.
    pub(crate) fn of(certificate: &[u8]) -> Option<Self> {
        let (host, epoch) = name(certificate, "underlay:agent:")?;
        Some(Self { host: host.parse().ok()?, epoch: epoch.parse().ok()? })
    }
}

/// The two parts behind `prefix` in a certificate's only name.
fn name(certificate: &[u8], prefix: &str) -> Option<(String, String)> {
    let (_, parsed) = x509_parser::certificate::X509Certificate::from_der(certificate).ok()?;
    let names = parsed.subject_alternative_name().ok()??;
    let [GeneralName::URI(uri)] = names.value.general_names.as_slice() else { return None };
    let (first, second) = uri.strip_prefix(prefix)?.split_once(':')?;
    Some((first.to_owned(), second.to_owned()))
}
