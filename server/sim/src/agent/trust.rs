//! Which server to believe: the one whose certificate was signed by the CA that the command line names by its SHA-256;
//! and the gRPC channel over that TLS.

use std::{io, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use jiff::{Timestamp, fmt::rfc2822};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
    time_provider::TimeProvider,
};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};
use underlay_core::image::Sha256;

use super::command_line::Settings;
use crate::boot::http::{self, Nic};

/// The name every server certificate carries, wherever the server is.
const SERVER_NAME: &str = "underlay-server";
/// A server that is silent for these two together is taken for gone.
const PING: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(20));
const CONNECT: Duration = Duration::from_secs(20);
/// No CA certificate is longer.
const LONGEST: usize = 64 << 10;

/// There is nobody to believe.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The certificate did not come.
    #[error("the CA certificate did not come")]
    Fetch(#[source] http::Error),
    /// It is another one.
    #[error("the CA certificate hashes to {found}, the boot script says {expected}")]
    Hash {
        /// From the command line.
        expected: Sha256,
        /// What came.
        found: Sha256,
    },
    /// TLS cannot use it.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

/// The CA of this boot.
#[derive(Clone, Debug)]
pub struct Trust(Arc<RootCertStore>, Arc<Clock>);

/// The server's time when its CA certificate came, and what passed since: certificates are dated by it, as they are for the
/// real agent.
#[derive(Debug)]
struct Clock {
    at: Timestamp,
    since: Instant,
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let now = self.at.checked_add(self.since.elapsed()).ok()?;
        Duration::try_from(now.as_duration()).ok().map(UnixTime::since_unix_epoch)
    }
}

impl Trust {
    /// Fetches the CA certificate and believes it if it is the one.
    ///
    /// # Errors
    /// It did not come, or is not the one.
    pub async fn fetch(nic: &Nic, settings: &Settings) -> Result<Self, Error> {
        let url = format!("{}/ca.der", settings.url);
        let (der, headers) = nic.read_with_headers(&url, None, LONGEST).await.map_err(Error::Fetch)?;
        let date = headers.get(::http::header::DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| rfc2822::parse(date).ok()).map(|date| date.timestamp());
        Self::check(&der, settings.ca, date)
    }

    fn check(der: &[u8], expected: Sha256, date: Option<Timestamp>) -> Result<Self, Error> {
        let digest = ring::digest::digest(&ring::digest::SHA256, der);
        let found =
            <[u8; 32]>::try_from(digest.as_ref()).map(Sha256::from_bytes).expect("SHA-256 has 32 bytes");
        if found != expected {
            return Err(Error::Hash { expected, found });
        }
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(der.to_vec())).map_err(Error::Tls)?;
        let clock = Clock { at: date.unwrap_or_else(Timestamp::now), since: Instant::now() };
        Ok(Self(Arc::new(roots), Arc::new(clock)))
    }

    fn tls(
        &self,
        identity: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    ) -> Result<ClientConfig, rustls::Error> {
        let builder = ClientConfig::builder_with_details(Arc::new(default_provider()), self.1.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(self.0.clone());
        let mut config = match identity {
            Some((certificate, key)) => builder.with_client_auth_cert(vec![certificate], key)?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }

    /// A channel to the agent service, with a client certificate if there is one.
    ///
    /// # Errors
    /// There is none to be had now.
    pub async fn channel(
        &self,
        nic: Nic,
        settings: &Settings,
        identity: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    ) -> Result<Channel, Box<dyn std::error::Error + Send + Sync>> {
        let connector = TlsConnector::from(Arc::new(self.tls(identity)?));
        let address = settings.api;
        let dial = move |_: Uri| {
            let connector = connector.clone();
            async move {
                let name = ServerName::try_from(SERVER_NAME).map_err(io::Error::other)?;
                let stream = nic.connect(address).await.map_err(io::Error::other)?;
                Ok::<_, io::Error>(TokioIo::new(connector.connect(name, stream).await?))
            }
        };
        let endpoint = Endpoint::try_from(format!("https://{SERVER_NAME}"))?
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(PING.0)
            .keep_alive_timeout(PING.1)
            .keep_alive_while_idle(true);
        Ok(endpoint.connect_with_connector(tower::service_fn(dial)).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_certificate_is_not_believed() {
        let key = rcgen::KeyPair::generate().unwrap();
        let ca = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        let digest = ring::digest::digest(&ring::digest::SHA256, ca.der());
        let expected = Sha256::from_bytes(digest.as_ref().try_into().unwrap());
        assert!(Trust::check(ca.der(), expected, None).is_ok());
        let other = Sha256::from_bytes([7; 32]);
        assert!(matches!(Trust::check(ca.der(), other, None), Err(Error::Hash { .. })));
    }
}
