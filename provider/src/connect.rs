//! Connections to the server: TLS 1.2 and newer over TCP, plain TCP on loopback, or a unix socket.
//!
//! The channel connects when a call needs it, and again after it was lost. gRPC hides why a connection failed, so the last
//! reason is kept here for the message that the user reads.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tonic::transport::Channel;
use tower::service_fn;

use crate::endpoint::Endpoint;

/// How long one attempt to connect may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A connection over which nothing comes is probed this often, also while nothing is asked.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// The server's certificate cannot be checked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file of trusted certificates cannot be read.
    #[error("reading {path}")]
    ReadCa {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// The file holds no certificate.
    #[error("{0} holds no certificate in PEM form")]
    NoCertificate(String),
    /// The name cannot be in a certificate.
    #[error("{0:?} is neither a host name nor an address")]
    Name(String),
    /// The TLS library refuses its own defaults.
    #[error("setting up TLS")]
    Tls(#[source] rustls::Error),
}

/// Why the last attempt to connect failed, in words.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    /// The reason, if the last attempt failed.
    pub(crate) fn last(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, reason: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A channel that connects when it is first used.
///
/// # Errors
/// The trusted certificates cannot be read.
pub(crate) fn channel(endpoint: &Endpoint, ca_file: Option<&Path>) -> Result<(Channel, Trouble), Error> {
    let tls = match endpoint {
        Endpoint::Tls { host, .. } => Some(tls(host, ca_file)?),
        Endpoint::Loopback { .. } | Endpoint::Unix(_) => None,
    };
    let trouble = Trouble::default();
    let (to, told) = (endpoint.clone(), trouble.clone());
    let connector = service_fn(move |_: http::Uri| {
        let (to, tls, told) = (to.clone(), tls.clone(), told.clone());
        async move {
            let late = || Err(io::Error::new(io::ErrorKind::TimedOut, "no answer within 10 seconds"));
            let stream = timeout(PATIENCE, connect(&to, tls)).await.unwrap_or_else(|_| late());
            told.note(stream.as_ref().err().map(reason));
            stream.map(TokioIo::new)
        }
    });
    let channel = tonic::transport::Endpoint::from_static("http://underlay")
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(PATIENCE)
        .keep_alive_while_idle(true)
        .connect_with_connector_lazy(connector);
    Ok((channel, trouble))
}

async fn connect(
    endpoint: &Endpoint,
    tls: Option<(TlsConnector, ServerName<'static>)>,
) -> io::Result<Box<dyn Stream>> {
    let tcp = async |host: &str, port: u16| {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        io::Result::Ok(stream)
    };
    match (endpoint, tls) {
        (Endpoint::Unix(path), _) => Ok(Box::new(UnixStream::connect(path).await?)),
        (Endpoint::Tls { host, port }, Some((connector, name))) => {
            Ok(Box::new(connector.connect(name, tcp(host, *port).await?).await?))
        }
        (Endpoint::Tls { host, port } | Endpoint::Loopback { host, port }, _) => {
            Ok(Box::new(tcp(host, *port).await?))
        }
    }
}

fn tls(host: &str, ca_file: Option<&Path>) -> Result<(TlsConnector, ServerName<'static>), Error> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| Error::Name(host.to_owned()))?;
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(file) => roots.add_parsable_certificates(trusted(file)?),
        None => roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
    };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Error::Tls)?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok((TlsConnector::from(Arc::new(config)), name))
}

fn trusted(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let path = file.display().to_string();
    let read = |source| Error::ReadCa { path: path.clone(), source };
    let certificates = CertificateDer::pem_file_iter(file).map_err(read)?;
    let certificates = certificates.collect::<Result<Vec<_>, _>>().map_err(read)?;
    if certificates.is_empty() { Err(Error::NoCertificate(path)) } else { Ok(certificates) }
}

/// Why a connection failed, for a person.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
        io::ErrorKind::NotFound => "there is no such socket".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not open that socket".to_owned(),
        io::ErrorKind::TimedOut => "no answer within 10 seconds".to_owned(),
        io::ErrorKind::InvalidData => format!("its certificate is not trusted: {error}"),
        _ => error.to_string(),
    }
}
