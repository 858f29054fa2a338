//! The listening socket: each read request becomes a task with a socket of its own.
//!
//! Where it listens on all addresses, an answer leaves from the address that the route to the client picks; a host with
//! several addresses on one segment listens on the one that DHCP names.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, atomic::Ordering},
};

use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use tokio::{net::UdpSocket, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    admission::{Admission, Admitted, Limits, Turned},
    counters::{Counters, count},
    files::Files,
    kept::Kept,
    options::Agreed,
    packet::{self, Code, MAX_REQUEST, Malformed, Packet, Read},
    source::Source,
    transfer::{self, Transfer},
};

/// The requests of a rack that is switched on at once; a larger one than `rmem_max` needs CAP_NET_ADMIN.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port could not be had.
    #[error("listening for tftp on {address} failed")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The listening socket failed.
    #[error("receiving tftp requests failed")]
    Receive(#[source] io::Error),
}

/// A TFTP server that is bound and not yet running.
pub struct Server {
    socket: Arc<UdpSocket>,
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    files: Arc<dyn Files>,
    kept: Arc<Kept>,
    limits: Limits,
    admission: Admission,
    counters: Arc<Counters>,
}

impl Server {
    /// Binds the port; 69 by custom.
    pub async fn bind(
        address: SocketAddr,
        files: Arc<dyn Files>,
        limits: Limits,
        counters: Arc<Counters>,
    ) -> Result<Self, Error> {
        let failed = |source| Error::Bind { address, source };
        let socket = UdpSocket::bind(address).await.map_err(failed)?;
        if let Err(error) = set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER) {
            debug!(%error, "the kernel's default receive buffer is used");
        }
        let address = socket.local_addr().map_err(failed)?;
        let admission = Admission::new(limits.clone());
        let shared = Arc::new(Shared { files, kept: Arc::default(), limits, admission, counters });
        Ok(Self { socket: Arc::new(socket), address, shared })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs until cancelled; transfers in progress end with it.
    pub async fn run(self, cancel: CancellationToken) -> Result<(), Error> {
        info!(address = %self.address, "listening for tftp");
        let mut transfers = JoinSet::new();
        let mut datagram = [0; MAX_REQUEST];
        loop {
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                Some(_) = transfers.join_next(), if !transfers.is_empty() => {}
                received = self.socket.recv_from(&mut datagram) => {
                    let (size, client) = match received {
                        Ok(received) => received,
                        // An ICMP error about an earlier ERROR packet; the socket is sound.
                        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                        Err(error) => return Err(Error::Receive(error)),
                    };
                    let request = Packet::parse(datagram.get(..size).unwrap_or_default());
                    match self.admitted(request, client) {
                        Ok((read, admitted)) => {
                            let (shared, listening) = (Arc::clone(&self.shared), Arc::clone(&self.socket));
                            let local = self.address;
                            transfers.spawn(async move { shared.serve(read, admitted, client, local, &listening).await });
                        }
                        Err(Some(refusal)) => refuse(&self.socket, client, &refusal),
                        Err(None) => {}
                    }
                }
            }
        }
    }

    /// The request to serve; else the ERROR packet that says why not, or nothing.
    fn admitted(
        &self,
        request: Result<Packet, Malformed>,
        client: SocketAddr,
    ) -> Result<(Read, Admitted), Option<Vec<u8>>> {
        let counters = &self.shared.counters;
        let refusal = match request {
            Ok(Packet::Read(read)) if read.mode == "octet" => {
                count(&counters.requests);
                return match self.shared.admission.admit(client) {
                    Ok(admitted) => Ok((read, admitted)),
                    Err(Turned::Away) => Err(None),
                    Err(Turned::Back) => {
                        count(&counters.turned_back);
                        Err(None)
                    }
                };
            }
            Ok(Packet::Read(_)) => Some(packet::error(Code::Other, "only octet mode is served")),
            Ok(Packet::Write) => Some(packet::error(Code::Access, "this server is read-only")),
            Ok(Packet::Ack(_) | Packet::Error(_)) | Err(Malformed::Opcode) => None,
            Err(Malformed::Strings) => Some(packet::error(Code::Illegal, "unreadable request")),
        };
        count(&counters.refused);
        Err(refusal)
    }
}

impl Shared {
    async fn serve(
        &self,
        read: Read,
        _admitted: Admitted,
        client: SocketAddr,
        local: SocketAddr,
        listening: &UdpSocket,
    ) {
        let Some(content) = self.files.open(&read.name).await else {
            count(&self.counters.not_found);
            info!(%client, name = read.name, "tftp name not served");
            refuse(listening, client, &packet::error(Code::NotFound, "file not found"));
            return;
        };
        let source = match Source::open(content, &self.kept).await {
            Ok(source) => source,
            Err(error) => {
                count(&self.counters.failed);
                warn!(%client, name = read.name, %error, "tftp content not opened");
                refuse(listening, client, &packet::error(Code::Other, "content not readable"));
                return;
            }
        };
        let terms = Agreed::on(&read.options, source.size(), &self.limits);
        self.counters.running.fetch_add(1, Ordering::Relaxed);
        let outcome = match connected(local, client).await {
            Ok(socket) => Transfer::new(socket, source, terms).run().await,
            Err(error) => Err(transfer::Error::Socket(error)),
        };
        self.counters.running.fetch_sub(1, Ordering::Relaxed);
        self.report(&read.name, client, outcome);
    }

    fn report(&self, name: &str, client: SocketAddr, outcome: Result<u64, transfer::Error>) {
        let counters = &self.counters;
        match outcome {
            Ok(bytes) => {
                count(&counters.completed);
                counters.bytes.fetch_add(bytes, Ordering::Relaxed);
                debug!(%client, name, bytes, "tftp transfer done");
            }
            Err(error @ transfer::Error::Refused(_)) => {
                count(&counters.aborted);
                debug!(%client, name, %error, "tftp transfer ended by client");
            }
            Err(error) => {
                count(&counters.failed);
                warn!(%client, name, error = &error as &dyn std::error::Error, "tftp transfer failed");
            }
        }
    }
}

/// A socket for one transfer, from the address that was asked.
async fn connected(local: SocketAddr, client: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match client {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let from = if local.ip().is_unspecified() { any } else { SocketAddr::new(local.ip(), 0) };
    let socket = UdpSocket::bind(from).await?;
    socket.connect(client).await?;
    Ok(socket)
}

/// A refusal is sent once, if at all: the client repeats its request.
fn refuse(socket: &UdpSocket, client: SocketAddr, packet: &[u8]) {
    if let Err(error) = socket.try_send_to(packet, client) {
        debug!(%client, %error, "tftp refusal not sent");
    }
}
