//! The UDP socket of one interface, and what happens to each datagram on it.
//!
//! One socket per interface and port, bound to the device, so that a broadcast's origin is known and an answer leaves
//! where the question came from. Never waits for the lease store: what it cannot queue it drops, and the client asks
//! again.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use dhcproto::v4::MessageType;
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{net::UdpSocket, sync::mpsc};
use tracing::{debug, warn};
use underlay_core::Mac;

use super::{
    commit::Pending,
    counters::{Counters, count},
    request::{MAX_REQUEST, Request},
    responder::{Answer, Arrival, Outgoing, Responder, Service, Silence, Verdict},
    sighting::{Limiter, Sighting, Sightings},
    strangers::{Evidence, Stranger, Strangers},
};

/// A boot storm arrives in one second. Without CAP_NET_ADMIN the kernel grants what its `rmem_max` says.
const RECEIVE_BUFFER: usize = 8 << 20;

/// Binds a port on one interface, or on all.
pub fn bind(interface: Option<&str>, port: u16) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_broadcast(true)?;
    socket.set_nonblocking(true)?;
    if set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER).is_err() {
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    }
    if let Some(interface) = interface {
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
    UdpSocket::from_std(socket.into())
}

/// Everything a listener shares with the others.
pub(crate) struct Shared {
    pub responder: Responder,
    pub sightings: Arc<dyn Sightings>,
    pub limiter: Mutex<Limiter>,
    pub counters: Arc<Counters>,
    pub commits: mpsc::Sender<Pending>,
    pub strangers: Strangers,
    /// Who asks on our behalf whether there are other servers.
    pub probe: Mac,
}

/// Answers what comes in on one socket.
pub(crate) struct Listener {
    pub shared: Arc<Shared>,
    pub socket: Arc<UdpSocket>,
    pub interface: Option<String>,
    pub service: Service,
}

impl Listener {
    /// Runs until the socket fails.
    pub async fn run(self) -> io::Result<()> {
        let mut buffer = vec![0; MAX_REQUEST + 1];
        loop {
            let (size, from) = match self.socket.recv_from(&mut buffer).await {
                Ok(received) => received,
                // An ICMP error about an earlier reply; the socket is sound.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                Err(error) => return Err(error),
            };
            let (Some(datagram), SocketAddr::V4(from)) = (buffer.get(..size), from) else { continue };
            self.take(datagram, from).await;
        }
    }

    async fn take(&self, datagram: &[u8], from: SocketAddrV4) {
        let counters = &self.shared.counters;
        count(&counters.received);
        let request = match Request::parse(datagram) {
            Ok(request) => request,
            Err(error) => {
                count(&counters.malformed);
                debug!(%from, interface = self.interface, %error, "no dhcp request");
                return;
            }
        };
        // The kernel brings our own broadcasts back to us.
        if request.mac == self.shared.probe {
            return;
        }
        let arrival = Arrival { interface: self.interface.as_deref(), service: self.service, from };
        match self.shared.responder.answer(&request, arrival, underlay_core::clock::now()) {
            Ok(answer) => {
                self.report(&request, &answer);
                self.report_stranger(&answer);
                self.carry_out(&request, answer).await;
            }
            Err(error) => {
                count(&counters.send_failures);
                warn!(mac = %request.mac, error = &error as &dyn std::error::Error, "no dhcp reply written");
            }
        }
    }

    fn report(&self, request: &Request, answer: &Answer) {
        let Some(network) = &answer.network else { return };
        let mut limiter = self.shared.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        if limiter.passes(request, Instant::now()) {
            drop(limiter);
            self.shared.sightings.saw(Sighting::of(request, network, answer.address));
        }
    }

    fn report_stranger(&self, answer: &Answer) {
        if let (Some(network), Some(address)) = (&answer.network, answer.stranger) {
            let stranger = Stranger { address, evidence: Evidence::Chosen };
            let Shared { strangers, sightings, counters, .. } = &*self.shared;
            strangers.hear(network, stranger, Instant::now(), &**sightings, counters);
        }
    }

    async fn carry_out(&self, request: &Request, answer: Answer) {
        let counters = &self.shared.counters;
        debug!(
            mac = %request.mac,
            wish = request.wish.as_str(),
            program = request.program.as_str(),
            network = answer.network.as_ref().map(super::NetworkName::as_str),
            address = answer.address.map(tracing::field::display),
            silent = match answer.verdict { Verdict::Silent(why) => Some(tracing::field::debug(why)), _ => None },
            "dhcp request"
        );
        match answer.verdict {
            Verdict::Silent(Silence::Exhausted) => {
                count(&counters.exhausted);
                warn!(mac = %request.mac, network = answer.network.as_ref().map(super::NetworkName::as_str),
                    "no address left");
            }
            Verdict::Silent(_) => count(&counters.ignored),
            Verdict::Send(outgoing) => send(&self.socket, &outgoing, counters).await,
            Verdict::Commit(lease, reply) => {
                let reply = reply.map(|outgoing| (Arc::clone(&self.socket), outgoing));
                if self.shared.commits.try_send(Pending { lease, reply }).is_err() {
                    count(&counters.overloaded);
                }
            }
        }
    }
}

/// Sends one reply; a failure is the network's, and the client asks again.
pub(crate) async fn send(socket: &UdpSocket, outgoing: &Outgoing, counters: &Counters) {
    match socket.send_to(&outgoing.bytes, outgoing.to).await {
        Ok(_) => count(match outgoing.kind {
            MessageType::Offer => &counters.offers,
            MessageType::Nak => &counters.naks,
            _ => &counters.acks,
        }),
        Err(error) => {
            count(&counters.send_failures);
            debug!(to = %outgoing.to, %error, "dhcp reply not sent");
        }
    }
}
