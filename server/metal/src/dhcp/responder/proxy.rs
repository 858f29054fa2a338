//! Answers beside somebody else's DHCP server: boot options without an address (PXE 2.1 section 2.2.3).
//!
//! A machine that is to boot its own disk gets no answer from us: without a boot file its firmware goes on by itself.

use std::net::{Ipv4Addr, SocketAddrV4};

use dhcproto::v4::MessageType;

use super::{Case, Outgoing, Service, Silence, Verdict};
use crate::dhcp::{
    boot::{self, BootFile},
    reply,
    request::Wish,
};

pub(super) fn answer(case: &Case<'_>) -> Result<Verdict, reply::Error> {
    let kind = match (case.arrival.service, case.request.wish) {
        (Service::Dhcp, Wish::Discover) => MessageType::Offer,
        (Service::BootServer, Wish::Request | Wish::Inform | Wish::Discover) => MessageType::Ack,
        _ => return Ok(Verdict::Silent(Silence::OtherServer)),
    };
    let Some(file) = BootFile::choose(case.network, case.request, &case.loader) else {
        return Ok(Verdict::Silent(Silence::NothingToBoot));
    };
    let reply = case
        .reply(kind)
        .using(case.request.ciaddr)
        .boot(case.network, Some(&file))
        .with(boot::options_as_proxy(case.request, &file));
    let mut outgoing = case.outgoing(kind, &reply)?;
    if case.arrival.service == Service::BootServer {
        outgoing = Outgoing { to: sender(case.arrival.from), ..outgoing };
    }
    Ok(Verdict::Send(outgoing))
}

/// A client of port 4011 has an address and waits on the port it asked from.
fn sender(from: SocketAddrV4) -> SocketAddrV4 {
    match from.ip().is_unspecified() {
        true => SocketAddrV4::new(Ipv4Addr::BROADCAST, from.port()),
        false => from,
    }
}
