//! What an agent's certificate says: on which host, in which boot. The URI `underlay:agent:HOST:EPOCH` in its subject
//! alternative names (RFC 5280 section 4.2.1.6) is the only place either is taken from.

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

impl AgentIdentity {
    /// What a certificate that was verified says; `None` if it is not an agent's.
    pub(crate) fn of(certificate: &[u8]) -> Option<Self> {
        let (_, parsed) = x509_parser::certificate::X509Certificate::from_der(certificate).ok()?;
        let names = parsed.subject_alternative_name().ok()??;
        let [GeneralName::URI(uri)] = names.value.general_names.as_slice() else { return None };
        let (host, epoch) = uri.strip_prefix("underlay:agent:")?.split_once(':')?;
        Some(Self { host: host.parse().ok()?, epoch: epoch.parse().ok()? })
    }
}
