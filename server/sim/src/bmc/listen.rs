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
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    service,
    tls::{self, Certificates},
};
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
    /// Its certificates.
    #[error(transparent)]
    Tls(#[from] tls::Error),
}

/// The socket of a rack's BMCs.
pub struct Bmcs {
    listener: TcpListener,
    tls: Arc<Certificates>,
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
        Ok(Self { listener, tls: Arc::new(Certificates::new()?), port })
    }

    /// The certificate, in PEM, of the CA that signed those of the BMCs.
    pub fn ca_pem(&self) -> &str {
        &self.tls.ca_pem
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

async fn converse(rack: Arc<Rack>, machine: Arc<Machine>, stream: TcpStream, tls: Arc<Certificates>) {
    let _ = stream.set_nodelay(true);
    let mut first = [0];
    match timeout(SILENCE, stream.peek(&mut first)).await {
        Ok(Ok(1)) if first == [HANDSHAKE] => {
            let tls = match tls.acceptor(hardware::bmc_address(machine.index)) {
                Ok(tls) => tls,
                Err(error) => return tracing::warn!(%error, "no certificate for a BMC"),
            };
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
