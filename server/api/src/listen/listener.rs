//! Accepts connections: each handshake in its own task with a time limit, a bounded number of connections in all.
//!
//! Invariant: plaintext is refused on anything but a loopback address or a unix socket.

use std::{
    io,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{Connection, Peer, Transport, connection::Io};
use crate::tls::{AgentIdentity, ResidentIdentity};

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long accepting rests after the kernel refused (no file descriptors left).
const REST: Duration = Duration::from_millis(100);

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("listening on {place}")]
    Listen {
        /// Address or path.
        place: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Plaintext was asked for where others could listen in.
    #[error("{0} is not a loopback address: without TLS listen on 127.0.0.1, ::1 or a unix socket")]
    Plaintext(SocketAddr),
    /// Another server answers on that unix socket.
    #[error("another server answers on {0}")]
    InUse(PathBuf),
}

/// A door for callers.
#[derive(Debug)]
pub struct Listener(Door);

enum Door {
    Tls(TcpListener, Arc<ServerConfig>),
    Loopback(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Door::Tls(listener, _) => f.debug_tuple("Tls").field(listener).finish(),
            Door::Loopback(listener) => f.debug_tuple("Loopback").field(listener).finish(),
            Door::Unix(_, path) => f.debug_tuple("Unix").field(path).finish(),
        }
    }
}

impl Listener {
    /// TLS on `address`; port 0 lets the kernel choose.
    ///
    /// # Errors
    /// [`Error::Listen`].
    pub async fn tls(address: SocketAddr, config: Arc<ServerConfig>) -> Result<Self, Error> {
        Ok(Self(Door::Tls(bind(address).await?, config)))
    }

    /// Plaintext on a loopback address.
    ///
    /// # Errors
    /// [`Error::Plaintext`] for any other address, [`Error::Listen`].
    pub async fn loopback(address: SocketAddr) -> Result<Self, Error> {
        if !address.ip().is_loopback() {
            return Err(Error::Plaintext(address));
        }
        Ok(Self(Door::Loopback(bind(address).await?)))
    }

    /// A unix socket at `path` with file permissions `mode` (0600, or 0660 to admit a group). Whoever may open it is
    /// an admin. A socket that a dead server left behind is replaced.
    ///
    /// # Errors
    /// [`Error::InUse`] where a server answers there, [`Error::Listen`].
    pub async fn unix(path: &Path, mode: u32) -> Result<Self, Error> {
        let failed = |source| Error::Listen { place: path.display().to_string(), source };
        if UnixStream::connect(path).await.is_ok() {
            return Err(Error::InUse(path.to_owned()));
        }
        // Made under another name and moved: nobody reaches it before its permissions are set.
        let making = path.with_extension(format!("new-{}", std::process::id()));
        let _ = std::fs::remove_file(&making);
        let listener = UnixListener::bind(&making).map_err(failed)?;
        std::fs::set_permissions(&making, std::fs::Permissions::from_mode(mode & 0o660)).map_err(failed)?;
        std::fs::rename(&making, path).map_err(failed)?;
        Ok(Self(Door::Unix(listener, path.to_owned())))
    }

    /// The address that is listened on; a unix socket has none.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.0 {
            Door::Tls(listener, _) | Door::Loopback(listener) => listener.local_addr().ok(),
            Door::Unix(..) => None,
        }
    }

    /// Accepts until cancelled and hands each connection on, at most `places` at a time; one more is closed at once.
    pub(crate) async fn run(
        self,
        places: usize,
        connections: mpsc::Sender<io::Result<Connection>>,
        cancel: CancellationToken,
    ) {
        let places = Arc::new(Semaphore::new(places));
        let mut handshakes = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = cancel.cancelled() => break,
                accepted = self.accept() => accepted,
            };
            while handshakes.try_join_next().is_some() {}
            let (raw, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(REST).await;
                    continue;
                }
            };
            let Ok(place) = places.clone().try_acquire_owned() else {
                tracing::warn!(%peer, "too many connections, closing one");
                continue;
            };
            let (config, connections) = (self.config(), connections.clone());
            handshakes.spawn(async move {
                if let Some(connection) = greet(raw, peer, config, place).await {
                    let _ = connections.send(Ok(connection)).await;
                }
            });
        }
        handshakes.shutdown().await;
        if let Door::Unix(_, path) = &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }

    async fn accept(&self) -> io::Result<(Raw, Peer)> {
        let tcp = |stream: TcpStream, address, transport| {
            let _ = stream.set_nodelay(true);
            (
                Raw::Tcp(stream),
                Peer { transport, address: Some(address), uid: None, agent: None, resident: None },
            )
        };
        match &self.0 {
            Door::Tls(listener, _) => {
                let (stream, address) = listener.accept().await?;
                Ok(tcp(stream, address, Transport::Tls))
            }
            Door::Loopback(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok(tcp(stream, address, Transport::Loopback))
            }
            Door::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                let uid = stream.peer_cred().ok().map(|user| user.uid());
                Ok((
                    Raw::Unix(stream),
                    Peer { transport: Transport::Unix, address: None, uid, agent: None, resident: None },
                ))
            }
        }
    }

    fn config(&self) -> Option<Arc<ServerConfig>> {
        match &self.0 {
            Door::Tls(_, config) => Some(config.clone()),
            Door::Loopback(_) | Door::Unix(..) => None,
        }
    }
}

enum Raw {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Does the TLS handshake, where there is one; `None` when the caller fails it.
async fn greet(
    raw: Raw,
    mut peer: Peer,
    config: Option<Arc<ServerConfig>>,
    place: OwnedSemaphorePermit,
) -> Option<Connection> {
    let io = match (raw, config) {
        (Raw::Tcp(stream), Some(config)) => {
            let handshake = TlsAcceptor::from(config).accept(stream);
            let stream = match tokio::time::timeout(HANDSHAKE, handshake).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    tracing::debug!(%peer, %error, "tls handshake failed");
                    return None;
                }
                Err(_) => {
                    tracing::debug!(%peer, "tls handshake took too long");
                    return None;
                }
            };
            let (_, session) = stream.get_ref();
            let certificate = session.peer_certificates().and_then(|chain| chain.first());
            peer.agent = certificate.and_then(|it| AgentIdentity::of(it));
            peer.resident = certificate.and_then(|it| ResidentIdentity::of(it));
            Io::Tls(Box::new(stream))
        }
        (Raw::Tcp(stream), None) => Io::Tcp(stream),
        (Raw::Unix(stream), _) => Io::Unix(stream),
    };
    Some(Connection::new(io, peer, place))
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen { place: address.to_string(), source })
}
