//! What a DHCP server gave (RFC 2131 section 3.1, options of RFC 2132), and the messages that ask for it. Pure.
//!
//! Every field of an answer is checked before it becomes a [`Lease`]: an address that cannot be a host's is refused.

use std::{net::Ipv4Addr, time::Duration};

use dhcproto::v4::{DhcpOption, Flags, Message, MessageType, OptionCode};
use underlay_core::Mac;

/// An address and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Our address.
    pub address: Ipv4Addr,
    /// Length of its network's prefix.
    pub prefix: u8,
    /// Default route, if any.
    pub router: Option<Ipv4Addr>,
    /// Who gave it.
    pub server: Ipv4Addr,
    /// When to ask again.
    pub renew_after: Duration,
}

/// The shortest and longest time between renewals, whatever the server says.
const RENEW: std::ops::RangeInclusive<Duration> = Duration::from_secs(30)..=Duration::from_secs(24 * 3600);

/// A DHCPDISCOVER. The broadcast flag is set, since an interface without an address cannot be sent unicast.
pub fn discover(mac: Mac, xid: u32) -> Message {
    base(mac, xid, MessageType::Discover)
}

/// A DHCPREQUEST for what `server` offered, or, when renewing, for the address we have.
pub fn request(mac: Mac, xid: u32, address: Ipv4Addr, server: Ipv4Addr) -> Message {
    let mut message = base(mac, xid, MessageType::Request);
    message.opts_mut().insert(DhcpOption::RequestedIpAddress(address));
    message.opts_mut().insert(DhcpOption::ServerIdentifier(server));
    message
}

fn base(mac: Mac, xid: u32, kind: MessageType) -> Message {
    let none = Ipv4Addr::UNSPECIFIED;
    let mut message = Message::new_with_id(xid, none, none, none, none, &mac.0);
    message.set_flags(Flags::default().set_broadcast());
    let options = message.opts_mut();
    options.insert(DhcpOption::MessageType(kind));
    options.insert(DhcpOption::ClassIdentifier(b"underlay-agent".to_vec()));
    options.insert(DhcpOption::MaxMessageSize(1500));
    options.insert(DhcpOption::ParameterRequestList(vec![
        OptionCode::SubnetMask,
        OptionCode::Router,
        OptionCode::AddressLeaseTime,
        OptionCode::Renewal,
    ]));
    message
}

/// What a server says to us; `None` if the message is not for this exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// DHCPOFFER.
    Offer(Lease),
    /// DHCPACK.
    Ack(Lease),
    /// DHCPNAK.
    Nak,
}

/// Reads an answer to the exchange `xid` of `mac`.
pub fn answer(message: &Message, mac: Mac, xid: u32) -> Option<Answer> {
    if message.xid() != xid || message.chaddr().get(..6)? != mac.0 {
        return None;
    }
    match message.opts().msg_type()? {
        MessageType::Offer => lease(message).map(Answer::Offer),
        MessageType::Ack => lease(message).map(Answer::Ack),
        MessageType::Nak => Some(Answer::Nak),
        _ => None,
    }
}

fn lease(message: &Message) -> Option<Lease> {
    let address = message.yiaddr();
    if !is_host(address) {
        return None;
    }
    let seconds = |code| match message.opts().get(code) {
        Some(DhcpOption::AddressLeaseTime(seconds) | DhcpOption::Renewal(seconds)) => Some(*seconds),
        _ => None,
    };
    let lease_time = seconds(OptionCode::AddressLeaseTime).unwrap_or(3600);
    let renew = seconds(OptionCode::Renewal).filter(|renew| *renew < lease_time).unwrap_or(lease_time / 2);
    let server = match message.opts().get(OptionCode::ServerIdentifier) {
        Some(DhcpOption::ServerIdentifier(server)) => *server,
        _ => return None,
    };
    let mask = match message.opts().get(OptionCode::SubnetMask) {
        Some(DhcpOption::SubnetMask(mask)) => u32::from(*mask),
        _ => u32::MAX << 8,
    };
    let router = match message.opts().get(OptionCode::Router) {
        Some(DhcpOption::Router(routers)) => routers.first().copied().filter(|router| is_host(*router)),
        _ => None,
    };
    Some(Lease {
        address,
        prefix: u8::try_from(mask.leading_ones()).unwrap_or(32),
        router,
        server,
        renew_after: Duration::from_secs(u64::from(renew)).clamp(*RENEW.start(), *RENEW.end()),
    })
}

fn is_host(address: Ipv4Addr) -> bool {
    !(address.is_unspecified() || address.is_broadcast() || address.is_multicast() || address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([0x52, 0x54, 0, 0, 0, 1]);

    fn reply(kind: MessageType, address: [u8; 4]) -> Message {
        let mut message = base(MAC, 7, kind);
        message.set_yiaddr(address);
        message.opts_mut().insert(DhcpOption::ServerIdentifier([10, 0, 2, 2].into()));
        message.opts_mut().insert(DhcpOption::SubnetMask([255, 255, 252, 0].into()));
        message.opts_mut().insert(DhcpOption::Router(vec![[10, 0, 2, 2].into()]));
        message.opts_mut().insert(DhcpOption::AddressLeaseTime(86400));
        message
    }

    #[test]
    fn an_offer_becomes_a_lease() {
        let Some(Answer::Offer(lease)) = answer(&reply(MessageType::Offer, [10, 0, 2, 15]), MAC, 7) else {
            panic!()
        };
        assert_eq!((lease.address, lease.prefix), ([10, 0, 2, 15].into(), 22));
        assert_eq!(lease.router, Some([10, 0, 2, 2].into()));
        assert_eq!(lease.renew_after, Duration::from_secs(43200));
    }

    #[test]
    fn what_belongs_to_another_exchange_is_not_an_answer() {
        let offer = reply(MessageType::Offer, [10, 0, 2, 15]);
        assert_eq!(answer(&offer, MAC, 8), None);
        assert_eq!(answer(&offer, Mac([2; 6]), 7), None);
    }

    #[test]
    fn an_address_no_host_can_have_is_refused() {
        for address in [[0, 0, 0, 0], [255, 255, 255, 255], [224, 0, 0, 1], [127, 0, 0, 1]] {
            assert_eq!(answer(&reply(MessageType::Ack, address), MAC, 7), None);
        }
    }

    #[test]
    fn a_tiny_lease_time_does_not_make_us_ask_without_pause() {
        let mut ack = reply(MessageType::Ack, [10, 0, 2, 15]);
        ack.opts_mut().insert(DhcpOption::AddressLeaseTime(0));
        let Some(Answer::Ack(lease)) = answer(&ack, MAC, 7) else { panic!() };
        assert_eq!(lease.renew_after, *RENEW.start());
    }
}
