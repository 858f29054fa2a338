//! A router advertisement for whoever solicits one (RFC 4861): iPXE waits 13 seconds for it before it boots by IPv4.
//!
//! It says that there is no default router (lifetime 0) and no DHCPv6 (flags 0), and names a prefix only where one is
//! configured, so a host that hears it configures nothing it was not meant to. Needs CAP_NET_RAW.
//! The kernel fills in the checksum; the hop limit is 255, without which it is not believed.

use std::{
    io,
    net::{Ipv6Addr, SocketAddr, SocketAddrV6},
    os::fd::AsFd,
    time::Duration,
};

use ipnet::Ipv6Net;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{net::UdpSocket, time::Instant};
use tracing::{debug, info};

use super::counters::{Counters, count};

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
const SOLICITATION: u8 = 133;
const ADVERTISEMENT: u8 = 134;
const PREFIX_INFORMATION: u8 = 3;
const ON_LINK_AND_AUTONOMOUS: u8 = 0xc0;
const VALID: u32 = 86_400;
const PREFERRED: u32 = 14_400;
/// MIN_DELAY_BETWEEN_RAS: multicasts keep this distance, what is asked in between is answered by unicast.
const APART: Duration = Duration::from_secs(3);

/// Answers solicitations on one interface until the socket fails.
pub(crate) async fn run(interface: &str, prefix: Option<Ipv6Net>, counters: &Counters) -> io::Result<()> {
    let (socket, index) = open(interface)?;
    let advertisement = encode(prefix);
    let mut last_multicast: Option<Instant> = None;
    let mut buffer = [0; 256];
    info!(interface, "answering router solicitations");
    loop {
        let (size, from) = socket.recv_from(&mut buffer).await?;
        let Some(solicitor) = solicitor(buffer.get(..size), from) else { continue };
        let now = Instant::now();
        let quiet = last_multicast.is_none_or(|at| now.duration_since(at) >= APART);
        let to = match (quiet, solicitor.is_unspecified()) {
            (true, _) => ALL_NODES,
            (false, false) => solicitor,
            // It heard the multicast of a moment ago.
            (false, true) => continue,
        };
        if quiet {
            last_multicast = Some(now);
        }
        match socket.send_to(&advertisement, SocketAddrV6::new(to, 0, 0, index)).await {
            Ok(_) => count(&counters.advertisements),
            Err(error) => debug!(interface, %to, %error, "router advertisement not sent"),
        }
    }
}

/// A raw socket in the guise of a UDP one, which is the datagram socket that tokio has; no UDP is spoken on it.
fn open(interface: &str) -> io::Result<(UdpSocket, u32)> {
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
    let index = rustix::net::netdevice::name_to_index(socket.as_fd(), interface)?;
    socket.set_nonblocking(true)?;
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.set_multicast_if_v6(index)?;
    socket.set_multicast_hops_v6(255)?;
    socket.set_unicast_hops_v6(255)?;
    socket.set_multicast_loop_v6(false)?;
    socket.join_multicast_v6(&ALL_ROUTERS, index)?;
    Ok((UdpSocket::from_std(socket.into())?, index))
}

/// The sender of a solicitation; none for any other ICMPv6 message.
fn solicitor(message: Option<&[u8]>, from: SocketAddr) -> Option<Ipv6Addr> {
    match (message, from) {
        (Some(&[SOLICITATION, 0, ..]), SocketAddr::V6(from)) => Some(*from.ip()),
        _ => None,
    }
}

/// RFC 4861 sections 4.2 and 4.6.2, checksum left to the kernel.
fn encode(prefix: Option<Ipv6Net>) -> Vec<u8> {
    let mut message = vec![ADVERTISEMENT, 0, 0, 0, 64, 0, 0, 0];
    message.extend([0; 8]);
    if let Some(prefix) = prefix {
        message.extend([PREFIX_INFORMATION, 4, prefix.prefix_len(), ON_LINK_AND_AUTONOMOUS]);
        message.extend(VALID.to_be_bytes());
        message.extend(PREFERRED.to_be_bytes());
        message.extend([0; 4]);
        message.extend(prefix.network().octets());
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advertisement_without_prefix_promises_no_router_and_no_dhcpv6() {
        assert_eq!(encode(None), [134, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_prefix_is_on_link_and_for_stateless_configuration() {
        let message = encode(Some("fd00:77::/64".parse().unwrap()));
        assert_eq!(message.len(), 48);
        assert_eq!(message[16..20], [3, 4, 64, 0xc0]);
        assert_eq!(message[32..], [0xfd, 0, 0, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
}
