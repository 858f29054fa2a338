//! Which server to believe: the one whose certificate the CA signed that the boot script named by its SHA-256.
//!
//! The certificate itself comes over plain HTTP and is refused unless it hashes to that. Certificates are dated, and the
//! clock of a machine may be years off; as the CA is pinned for this boot anyway, the clock of the answer that brought
//! it is used where there is one. What that gives up: an old server certificate whose key was stolen would pass, to
//! somebody who can also answer for the boot endpoint, and that one could have replaced the boot script itself.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime},
    time_provider::TimeProvider,
};
use underlay_core::image::Sha256;

use crate::http::Endpoint;

/// Where the boot endpoint serves the CA certificate, DER.
pub const CA_PATH: &str = "/ca.der";
/// No certificate is longer.
const MAX_LENGTH: usize = 64 << 10;

/// There is nobody to believe.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The boot endpoint did not give it.
    #[error("the CA certificate cannot be read")]
    Fetch(#[source] crate::source::Error),
    /// It is another one.
    #[error("the CA certificate hashes to {found}, the boot script says {expected}")]
    Hash {
        /// From the kernel command line.
        expected: Sha256,
        /// What came.
        found: Sha256,
    },
    /// It is no certificate, or not one TLS can use.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

/// The CA of this boot.
#[derive(Clone, Debug)]
pub struct Trust {
    roots: Arc<RootCertStore>,
    clock: Arc<Clock>,
}

impl Trust {
    /// Fetches the CA certificate and believes it if it is the one.
    pub async fn fetch(endpoint: &Endpoint, expected: Sha256) -> Result<Self, Error> {
        let (der, date) = endpoint.get(CA_PATH, MAX_LENGTH).await.map_err(Error::Fetch)?;
        Self::check(&der, expected, date)
    }

    fn check(der: &[u8], expected: Sha256, date: Option<SystemTime>) -> Result<Self, Error> {
        let digest = ring::digest::digest(&ring::digest::SHA256, der);
        let found =
            <[u8; 32]>::try_from(digest.as_ref()).map(Sha256::from_bytes).expect("SHA-256 has 32 bytes");
        if found != expected {
            return Err(Error::Hash { expected, found });
        }
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(der.to_vec())).map_err(Error::Tls)?;
        let clock = Clock { at: date.unwrap_or_else(SystemTime::now), since: Instant::now() };
        Ok(Self { roots: Arc::new(roots), clock: Arc::new(clock) })
    }

    /// TLS that believes this CA only, with a client certificate if there is one.
    pub fn tls(
        &self,
        identity: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    ) -> Result<ClientConfig, Error> {
        let provider = Arc::new(default_provider());
        let builder = ClientConfig::builder_with_details(provider, self.clock.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(Error::Tls)?
            .with_root_certificates(self.roots.clone());
        let mut config = match identity {
            Some((certificate, key)) => {
                builder.with_client_auth_cert(vec![certificate], key).map_err(Error::Tls)?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}

/// The server's time when the CA certificate came, and what passed since.
#[derive(Debug)]
struct Clock {
    at: SystemTime,
    since: Instant,
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let passed: Duration = self.since.elapsed();
        let now = self.at.checked_add(passed)?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(UnixTime::since_unix_epoch(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_with_another_hash_is_refused() {
        let key = rcgen::KeyPair::generate().unwrap();
        let ca = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        let digest = ring::digest::digest(&ring::digest::SHA256, ca.der());
        let expected = Sha256::from_bytes(digest.as_ref().try_into().unwrap());
        assert!(Trust::check(ca.der(), expected, None).is_ok());
        let mut other = ca.der().to_vec();
        other[100] ^= 1;
        assert!(matches!(Trust::check(&other, expected, None), Err(Error::Hash { .. })));
    }
}
