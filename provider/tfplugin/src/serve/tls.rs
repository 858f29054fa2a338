//! Mutual TLS as go-plugin does it: each side pins the other's self-signed certificate, exchanged through the environment
//! and the handshake line.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::TlsAcceptor;

use super::{
    Error,
    verifier::{self, Pinned},
};

/// How to encrypt, and the certificate to tell the host.
pub(super) struct Tls {
    pub(super) acceptor: TlsAcceptor,
    pub(super) certificate: CertificateDer<'static>,
}

impl Tls {
    /// What the host asks for; `None` if it has no certificate, because its user turned TLS off.
    pub(super) fn from_env() -> Result<Option<Self>, Error> {
        match std::env::var("PLUGIN_CLIENT_CERT") {
            Ok(pem) if !pem.is_empty() => Self::pinned_to(&pem).map(Some),
            _ => Ok(None),
        }
    }

    /// TLS with a new certificate for `localhost`, for the one client that has this certificate.
    pub(super) fn pinned_to(client_pem: &str) -> Result<Self, Error> {
        let client = CertificateDer::from_pem_slice(client_pem.as_bytes()).map_err(Error::HostCertificate)?;
        let own =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).map_err(Error::OwnCertificate)?;
        let certificate = own.cert.der().clone();
        let key = PrivateKeyDer::Pkcs8(own.signing_key.serialize_der().into());
        let mut config = ServerConfig::builder_with_provider(verifier::provider())
            .with_safe_default_protocol_versions()
            .map_err(Error::Tls)?
            .with_client_cert_verifier(Arc::new(Pinned::new(client)))
            .with_single_cert(vec![certificate.clone()], key)
            .map_err(Error::Tls)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate })
    }
}
