//! How the server is reached: over TLS with a token, or over its unix socket where file permissions are the token.
//!
//! The token comes from the environment or a file, never from the command line, which others can read.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use clap::Args;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint, Uri},
};
use tower::service_fn;

use crate::exit::Error;

/// The largest answer, in bytes.
pub const ANSWER: usize = 64 << 20;

/// Where the server is and who we are.
#[derive(Args, Clone, Debug)]
pub struct Target {
    /// Server: https://HOST:PORT, unix:///PATH, or http:// on loopback [default: the local server's socket]
    #[arg(long, env = "UNDERLAY_ENDPOINT", value_name = "URL", global = true)]
    endpoint: Option<String>,
    /// The server's CA certificate, PEM (ca.pem in its data directory)
    #[arg(long, env = "UNDERLAY_CA_FILE", value_name = "FILE", global = true)]
    ca_file: Option<PathBuf>,
    /// File with the API token; or put the token itself into UNDERLAY_TOKEN
    #[arg(long, env = "UNDERLAY_TOKEN_FILE", value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
    /// The place objects are looked for in
    #[arg(long, env = "UNDERLAY_SITE", default_value = "default", global = true)]
    pub site: String,
    /// Whose objects
    #[arg(long, env = "UNDERLAY_OWNER", default_value = "default", global = true)]
    pub owner: String,
}

/// A connection with the token on every call.
pub type Connection = InterceptedService<Channel, Bearer>;

/// Puts the token on every call.
#[derive(Clone)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

impl Target {
    /// Connects.
    ///
    /// # Errors
    /// [`Error::Unreachable`] with the endpoint, [`Error::Usage`] where it makes no sense.
    pub async fn connect(&self) -> Result<Connection, Error> {
        let endpoint = self.endpoint.clone().unwrap_or_else(default_endpoint);
        let bearer = Bearer(self.token()?);
        let unreachable = |error: tonic::transport::Error| Error::Unreachable {
            endpoint: endpoint.clone(),
            why: innermost(&error),
        };
        let channel = if let Some(path) = endpoint.strip_prefix("unix://") {
            let path = PathBuf::from(path);
            let connector = service_fn(move |_: Uri| {
                let path = path.clone();
                async move { UnixStream::connect(path).await.map(TokioIo::new) }
            });
            Endpoint::from_static("http://localhost")
                .connect_with_connector(connector)
                .await
                .map_err(unreachable)?
        } else if endpoint.starts_with("https://") {
            self.over_tls(&endpoint).await?
        } else if is_loopback(&endpoint) {
            let parsed = Endpoint::from_shared(endpoint.clone()).map_err(unreachable)?;
            parsed.connect_timeout(PATIENCE).connect().await.map_err(unreachable)?
        } else {
            let why = format!("\"{endpoint}\" must be https://, unix:// or http:// on loopback");
            return Err(Error::Usage(why));
        };
        Ok(InterceptedService::new(channel, bearer))
    }

    async fn over_tls(&self, endpoint: &str) -> Result<Channel, Error> {
        let uri: Uri = endpoint.parse().map_err(|_| Error::Usage(format!("\"{endpoint}\" is not a URL")))?;
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(7443);
        let name = ServerName::try_from(host.clone())
            .map_err(|_| Error::Usage(format!("\"{host}\" is no host name")))?;
        let connector = TlsConnector::from(Arc::new(self.tls()?));
        let connector = service_fn(move |_: Uri| {
            let (host, name, connector) = (host.clone(), name.clone(), connector.clone());
            async move {
                let stream = TcpStream::connect((host.as_str(), port)).await?;
                stream.set_nodelay(true)?;
                connector.connect(name, stream).await.map(TokioIo::new)
            }
        });
        let inner = Endpoint::from_static("http://underlay").connect_timeout(PATIENCE);
        inner
            .connect_with_connector(connector)
            .await
            .map_err(|error| Error::Unreachable { endpoint: endpoint.to_owned(), why: innermost(&error) })
    }

    fn tls(&self) -> Result<ClientConfig, Error> {
        let path = self.ca_file.as_ref().ok_or_else(|| {
            Error::Usage(
                "an https:// endpoint needs --ca-file (ca.pem in the server's data directory)".into(),
            )
        })?;
        let mut roots = RootCertStore::empty();
        let certificates =
            CertificateDer::pem_file_iter(path).with_context(|| format!("reading {}", path.display()))?;
        for certificate in certificates {
            let certificate = certificate.with_context(|| format!("reading {}", path.display()))?;
            roots.add(certificate).with_context(|| format!("the certificate in {}", path.display()))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("TLS versions")?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }

    fn token(&self) -> Result<Option<MetadataValue<Ascii>>, Error> {
        let text = match &self.token_file {
            Some(path) => Some(
                std::fs::read_to_string(path)
                    .with_context(|| format!("reading the token from {}", path.display()))?,
            ),
            None => std::env::var("UNDERLAY_TOKEN").ok(),
        };
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
        let mut value: MetadataValue<Ascii> = format!("Bearer {}", text.trim())
            .parse()
            .map_err(|_| Error::Usage("the API token has characters that no token has".into()))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(10);

fn is_loopback(endpoint: &str) -> bool {
    let Ok(uri) = endpoint.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    uri.scheme_str() == Some("http")
        && (host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()))
}

/// The socket of a server on this machine, root's or our own.
fn default_endpoint() -> String {
    let home = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share")));
    let own = home.map(|home| home.join("underlay/api.sock")).filter(|path| path.exists());
    let path = own.unwrap_or_else(|| "/var/lib/underlay/api.sock".into());
    format!("unix://{}", path.display())
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
