//! The certificates of a rack's BMCs: each has one for its own address, signed by a CA of the rack. Whoever checks names
//! and chains is given the CA; whoever pins sees the same certificate as long as the rack runs.
//!
//! Nothing of them is kept. They are made whenever a connection begins, from one key, and the CA's signature (Ed25519,
//! RFC 8032) depends on nothing but what it signs.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ED25519, SanType, SerialNumber,
};
use rustls::{
    ServerConfig,
    crypto::CryptoProvider,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::NoServerSessionStorage,
};
use tokio_rustls::TlsAcceptor;

/// They cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A certificate.
    #[error("making the certificates of the rack's BMCs")]
    Certificate(#[from] rcgen::Error),
    /// Its use.
    #[error("setting up TLS of the rack's BMCs")]
    Tls(#[from] rustls::Error),
}

/// What certificates are made with.
pub struct Certificates {
    ca: Issuer<'static, KeyPair>,
    /// The CA's own, for whoever trusts it.
    pub ca_pem: String,
    key: KeyPair,
    provider: Arc<CryptoProvider>,
}

impl Certificates {
    /// A new CA.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn new() -> Result<Self, Error> {
        let mut params = named("CA of a simulated rack");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate_for(&PKCS_ED25519)?;
        let ca_pem = params.self_signed(&key)?.pem();
        Ok(Self {
            ca: Issuer::new(params, key),
            ca_pem,
            key: KeyPair::generate()?,
            provider: Arc::new(rustls::crypto::ring::default_provider()),
        })
    }

    /// TLS as the BMC at `address` speaks it.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn acceptor(&self, address: Ipv4Addr) -> Result<TlsAcceptor, Error> {
        let mut params = named("BMC of a simulated rack");
        params.subject_alt_names = vec![SanType::IpAddress(IpAddr::V4(address))];
        params.serial_number = Some(SerialNumber::from(address.octets().to_vec()));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&self.key, &self.ca)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        // It serves one connection, which nobody can resume.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bmc_shows_the_same_certificate_at_every_connection_and_another_than_its_neighbour() {
        let certificates = Certificates::new().unwrap();
        let of = |last| {
            let acceptor = certificates.acceptor(Ipv4Addr::new(127, 16, 0, last)).unwrap();
            format!("{:?}", acceptor.config().cert_resolver)
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
