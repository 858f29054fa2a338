//! A DHCPv4 client (RFC 2131): discover, request, renew. One exchange on one interface at a time.
//!
//! The socket is bound to the interface (SO_BINDTODEVICE) and sends to the broadcast address, so it works before there
//! is an address or a route. Retries double from one second to sixteen and go on for ever: the agent has nothing else to do.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use dhcproto::{Decodable, Decoder, Encodable, v4::Message};
use ring::rand::{SecureRandom, SystemRandom};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::UdpSocket,
    time::{Instant, sleep, timeout_at},
};
use tracing::{debug, info, warn};

use super::{
    lease::{self, Answer, Lease},
    link::{Link, Netlink},
};

const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
/// First and longest wait for an answer.
const WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(16));

/// Asks until somebody answers.
pub async fn acquire(link: &Link) -> io::Result<Lease> {
    let socket = open(link)?;
    let mut wait = WAIT.0;
    loop {
        let xid = transaction();
        send(&socket, &lease::discover(link.mac, xid)).await;
        let deadline = Instant::now() + wait;
        if let Some(Answer::Offer(offer)) = receive(&socket, link, xid, deadline).await
            && let Some(lease) = confirm(&socket, link, xid, &offer, wait).await
        {
            return Ok(lease);
        }
        debug!(link = %link.name, "no DHCP answer yet");
        wait = (wait * 2).min(WAIT.1);
    }
}

/// Keeps a lease alive for as long as the agent runs. What a server refuses to renew is asked for anew.
pub async fn keep(netlink: Netlink, link: Link, mut lease: Lease) {
    loop {
        sleep(lease.renew_after).await;
        match renew(&link, &lease).await {
            Ok(renewed) => {
                if renewed.address != lease.address {
                    info!(link = %link.name, address = %renewed.address, "address changed");
                }
                if let Err(error) =
                    netlink.apply(&link, renewed.address, renewed.prefix, renewed.router).await
                {
                    warn!(link = %link.name, %error, "address not set");
                }
                lease = renewed;
            }
            Err(error) => warn!(link = %link.name, %error, "lease not renewed"),
        }
    }
}

async fn renew(link: &Link, lease: &Lease) -> io::Result<Lease> {
    let socket = open(link)?;
    match confirm(&socket, link, transaction(), lease, WAIT.1).await {
        Some(renewed) => Ok(renewed),
        None => acquire(link).await,
    }
}

/// Requests what was offered; `None` if it was refused or nobody answered in time.
async fn confirm(socket: &UdpSocket, link: &Link, xid: u32, offer: &Lease, wait: Duration) -> Option<Lease> {
    send(socket, &lease::request(link.mac, xid, offer.address, offer.server)).await;
    match receive(socket, link, xid, Instant::now() + wait).await {
        Some(Answer::Ack(lease)) => Some(lease),
        _ => None,
    }
}

fn open(link: &Link) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_broadcast(true)?;
    socket.set_nonblocking(true)?;
    socket.bind_device(Some(link.name.as_bytes()))?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, CLIENT_PORT)).into())?;
    UdpSocket::from_std(socket.into())
}

async fn send(socket: &UdpSocket, message: &Message) {
    let Ok(bytes) = message.to_vec() else { return };
    if let Err(error) = socket.send_to(&bytes, (Ipv4Addr::BROADCAST, SERVER_PORT)).await {
        debug!(%error, "DHCP message not sent");
    }
}

async fn receive(socket: &UdpSocket, link: &Link, xid: u32, deadline: Instant) -> Option<Answer> {
    let mut buffer = [0; 1500];
    loop {
        let (length, _) = timeout_at(deadline, socket.recv_from(&mut buffer)).await.ok()?.ok()?;
        let message = Message::decode(&mut Decoder::new(buffer.get(..length)?));
        if let Some(answer) = message.ok().and_then(|message| lease::answer(&message, link.mac, xid)) {
            return Some(answer);
        }
    }
}

fn transaction() -> u32 {
    let mut bytes = [0; 4];
    // A predictable id is no worse than none: DHCP on the segment is not authenticated either way.
    let _ = SystemRandom::new().fill(&mut bytes);
    u32::from_ne_bytes(bytes)
}
