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
    use rustls::{
        ClientConfig, RootCertStore,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    };
    use tokio_rustls::TlsConnector;

    use super::*;

    /// What somebody who trusts `trusted` is shown at `address`, where the BMC at `shown` answers.
    async fn shown(
        certificates: &Certificates,
        trusted: &Certificates,
        address: Ipv4Addr,
        shown: Ipv4Addr,
    ) -> std::io::Result<CertificateDer<'static>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(trusted.ca_pem.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(certificates.provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let acceptor = certificates.acceptor(shown).unwrap();
        let server = tokio::spawn(async move { acceptor.accept(theirs).await.map(drop) });
        let name = ServerName::IpAddress(IpAddr::V4(address).into());
        let client = TlsConnector::from(Arc::new(config)).connect(name, ours).await;
        server.await.unwrap().ok();
        Ok(client?.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned())
    }

    #[tokio::test]
    async fn a_bmc_shows_the_same_certificate_at_every_connection_and_another_than_its_neighbour() {
        let (certificates, [a, b]) =
            (Certificates::new().unwrap(), [1, 2].map(|last| Ipv4Addr::new(127, 16, 0, last)));
        let of = async |address| shown(&certificates, &certificates, address, address).await.unwrap();
        assert_eq!(of(a).await, of(a).await);
        assert_ne!(of(a).await, of(b).await);
    }

    #[tokio::test]
    async fn neither_a_neighbours_certificate_nor_another_racks_is_taken_for_a_bmcs() {
        let (certificates, other) = (Certificates::new().unwrap(), Certificates::new().unwrap());
        let [a, b] = [1, 2].map(|last| Ipv4Addr::new(127, 16, 0, last));
        shown(&certificates, &certificates, a, b).await.unwrap_err();
        shown(&certificates, &other, a, a).await.unwrap_err();
    }
}
