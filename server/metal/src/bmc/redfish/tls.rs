//! How a BMC's certificate is checked: pinned at first sight, by a CA, or not at all.
//!
//! A pin replaces the name and the chain, which a BMC's own certificate never gets right; the handshake's
//! signature is checked in every mode, so a copied certificate without its key is of no use.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
use sha2::{Digest, Sha256};
use underlay_core::host::Tls;

/// The certificate a BMC must show; filled in by the first one it shows.
#[derive(Debug, Default)]
pub(super) struct Pin(Mutex<Option<String>>);

impl Pin {
    pub(super) fn new(fingerprint: Option<String>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(fingerprint.map(|text| text.to_ascii_lowercase()))))
    }

    /// SHA-256 of the certificate, lower-case hex.
    pub(super) fn fingerprint(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn admits(&self, certificate: &CertificateDer<'_>) -> bool {
        let shown = hex::encode(Sha256::digest(certificate));
        let mut pinned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *pinned.get_or_insert_with(|| shown.clone()) == shown
    }
}

/// The TLS of one BMC.
pub(super) fn config(tls: &Tls, pin: &Arc<Pin>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let check = match tls {
        Tls::Ca { pem } => {
            return Ok(of_one_server(builder.with_root_certificates(roots(pem)?).with_no_client_auth()));
        }
        Tls::Pin => Check::Pin(pin.clone()),
        Tls::Insecure => Check::Nothing,
    };
    let verifier = Arc::new(Verifier { check, provider });
    let config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    Ok(of_one_server(config))
}

/// Room to resume the sessions of the one server there is; the default has room for 32, for each BMC of a fleet.
fn of_one_server(mut config: ClientConfig) -> ClientConfig {
    config.resumption = Resumption::in_memory_sessions(1);
    config
}

fn roots(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate =
            certificate.map_err(|error| format!("redfish.tls: the CA does not read: {error}"))?;
        roots.add(certificate).map_err(|error| format!("redfish.tls: the CA is not usable: {error}"))?;
    }
    if roots.is_empty() { Err("redfish.tls: the CA holds no certificate".into()) } else { Ok(roots) }
}

#[derive(Debug)]
enum Check {
    Pin(Arc<Pin>),
    Nothing,
}

#[derive(Debug)]
struct Verifier {
    check: Check,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        match &self.check {
            Check::Pin(pin) if !pin.admits(certificate) => {
                Err(TlsError::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            Check::Pin(_) | Check::Nothing => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The TLS error at the bottom of `error`, where there is one. The certificate is what it is mostly about.
pub(super) fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a TlsError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<TlsError>() {
            return Some(found);
        }
        // An io::Error passes over what it wraps when asked for its source.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}
