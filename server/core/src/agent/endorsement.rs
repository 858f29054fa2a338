//! What a TPM is known by: its endorsement key, which its maker put into it and which no owner can change.
//!
//! It is a hint of which box this is, told by an agent that may lie: another key is named as a change, and nothing is taken
//! for granted because of it. Two that were read in different ways cannot be held against each other.

use serde::{Deserialize, Serialize};

use crate::image::Sha256;

/// What a TPM is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endorsement {
    /// What was read.
    pub source: Source,
    /// SHA-256 of it.
    pub sha256: Sha256,
}

/// What the digest is of: the certificate in DER, or the public area (TPMT_PUBLIC) of the key that the default template makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The certificate of the RSA key, at NV index 0x01C00002.
    RsaCertificate,
    /// The certificate of the ECC key, at NV index 0x01C0000A.
    EccCertificate,
    /// The RSA key of template L-1.
    RsaKey,
    /// The ECC key of template L-2.
    EccKey,
}

impl Source {
    /// All of them with their words.
    pub const ALL: [(&'static str, Source); 4] = [
        ("rsa_certificate", Source::RsaCertificate),
        ("ecc_certificate", Source::EccCertificate),
        ("rsa_key", Source::RsaKey),
        ("ecc_key", Source::EccKey),
    ];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Source::RsaCertificate => "rsa_certificate",
            Source::EccCertificate => "ecc_certificate",
            Source::RsaKey => "rsa_key",
            Source::EccKey => "ecc_key",
        }
    }
}
