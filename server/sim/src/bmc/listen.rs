//! The one socket of all BMCs: it takes connections to any loopback address on its port, refuses everybody else, and
//! knows each BMC by the address that was connected to. A connection that begins as TLS does is served as TLS.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::service;
use crate::{
    machine::{Machine, hardware},
    rack::Rack,
};

/// A connection that says nothing for so long is closed.
const SILENCE: Duration = Duration::from_secs(30);
/// The first byte of a TLS connection: a handshake record (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;

/// The socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port.
    #[error("listening for BMCs on port {port}")]
    Bind {
        /// Which.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The certificate.
    #[error("making the certificate of the rack's BMCs")]
    Certificate(#[source] rcgen::Error),
    /// Its use.
    #[error("setting up TLS of the rack's BMCs")]
    Tls(#[source] rustls::Error),
}

/// The socket of a rack's BMCs.
pub struct Bmcs {
    listener: TcpListener,
    tls: TlsAcceptor,
    /// Where it listens.
    pub port: u16,
}

impl Bmcs {
    /// Listen on `port` of every loopback address; 0 takes one that is free.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn bind(port: u16) -> Result<Self, Error> {
        let failed = |source| Error::Bind { port, source };
        // Every address of 127/8 is local, and only all addresses of the host cover them with one socket.
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        Ok(Self { listener, tls: TlsAcceptor::from(Arc::new(tls()?)), port })
    }

    /// Serve until cancelled.
    pub async fn run(self, rack: Arc<Rack>, cancel: CancellationToken) {
        let connections = TaskTracker::new();
        while let Some(accepted) = cancel.run_until_cancelled(self.listener.accept()).await {
            let Ok((stream, peer)) = accepted else {
                // Too many files or the like: others will end.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let Some(machine) = called(&rack, &stream, peer) else { continue };
            let (rack, tls, cancel) = (Arc::clone(&rack), self.tls.clone(), cancel.clone());
            connections.spawn(async move {
                cancel.run_until_cancelled(converse(rack, machine, stream, tls)).await;
            });
        }
        connections.close();
        connections.wait().await;
    }
}

/// The machine whose BMC was called, unless by somebody from elsewhere.
fn called(rack: &Rack, stream: &TcpStream, peer: SocketAddr) -> Option<Arc<Machine>> {
    let local = stream.local_addr().ok()?.ip();
    let (true, IpAddr::V4(local)) = (peer.ip().is_loopback(), local) else { return None };
    rack.machine(hardware::at_bmc_address(local)?).cloned()
}

async fn converse(rack: Arc<Rack>, machine: Arc<Machine>, stream: TcpStream, tls: TlsAcceptor) {
    let _ = stream.set_nodelay(true);
    let mut first = [0];
    match timeout(SILENCE, stream.peek(&mut first)).await {
        Ok(Ok(1)) if first == [HANDSHAKE] => {
            if let Ok(Ok(stream)) = timeout(SILENCE, tls.accept(stream)).await {
                serve(rack, machine, stream).await;
            }
        }
        Ok(Ok(1)) => serve(rack, machine, stream).await,
        _ => {}
    }
}

async fn serve(rack: Arc<Rack>, machine: Arc<Machine>, stream: impl AsyncRead + AsyncWrite + Unpin) {
    let service = service_fn(|request| {
        let (rack, machine) = (&rack, &machine);
        async move { Ok::<_, std::convert::Infallible>(service::answer(rack, machine, request).await) }
    });
    // How it ended is the other side's to know.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(SILENCE)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// As BMCs come: a certificate that signed itself and names nobody.
fn tls() -> Result<ServerConfig, Error> {
    let key = rcgen::KeyPair::generate().map_err(Error::Certificate)?;
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "BMC of a simulated rack");
    let certificate = params.self_signed(&key).map_err(Error::Certificate)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key)
        })
        .map_err(Error::Tls)
}
