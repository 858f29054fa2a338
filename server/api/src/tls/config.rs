//! TLS 1.2 and 1.3 as the server speaks it, with HTTP/2 only.

use std::sync::Arc;

use rustls::{
    RootCertStore, ServerConfig, crypto::ring::default_provider, pki_types::UnixTime,
    server::WebPkiClientVerifier, time_provider::TimeProvider,
};
use underlay_core::clock;

use super::{Authority, Error};

/// The names by which every server is reached, whatever is configured.
const NAMES: [&str; 4] = ["localhost", "underlay-server", "127.0.0.1", "::1"];

/// TLS for a server that is reached by `names` besides the usual ones, with a certificate issued now.
///
/// A client may show a certificate; one that this authority did not issue ends the handshake.
///
/// # Errors
/// [`Error::Issue`] for a name that is neither a DNS name nor an address; [`Error::Configure`].
pub fn server_config(authority: &Authority, names: &[String]) -> Result<Arc<ServerConfig>, Error> {
    let configure = |source: Box<dyn std::error::Error + Send + Sync>| Error::Configure(source);
    let mut all: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    all.extend(names.iter().filter(|name| !NAMES.contains(&name.as_str())).cloned());
    let (certificate, key) = authority.server(&all)?;

    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().clone()).map_err(|error| configure(error.into()))?;
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(|error| configure(error.into()))?;
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(ServersTime))
        .with_safe_default_protocol_versions()
        .map_err(|error| configure(error.into()))?
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate, authority.certificate().clone()], key)
        .map_err(|error| configure(error.into()))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

/// Agents' certificates are dated by the server's time, so they are judged by it, however the wall clock is set meanwhile.
#[derive(Debug)]
struct ServersTime;

impl TimeProvider for ServersTime {
    fn current_time(&self) -> Option<UnixTime> {
        std::time::Duration::try_from(clock::now().as_duration()).ok().map(UnixTime::since_unix_epoch)
    }
}
