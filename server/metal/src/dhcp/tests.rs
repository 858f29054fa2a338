//! What the DHCP tests share: a network, machines, packets as clients send them, and replies read back.

mod datagram;
mod durable;
mod malformed;
mod namespace;

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use dhcproto::{
    Decodable,
    v4::{DhcpOption, Message, MessageType, OptionCode},
};
use underlay_core::Mac;

pub(crate) use datagram::Datagram;

use super::{
    network::{AddressRange, Advertise, Boot, Mode, Network, NetworkName, Unknown},
    request::Request,
    responder::{Arrival, Service},
};

pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 12, 0, 1);

pub(crate) fn network() -> Network {
    Network {
        name: NetworkName::new("boot"),
        cidr: "10.12.0.0/24".parse().unwrap(),
        ranges: vec![AddressRange { first: [10, 12, 0, 50].into(), last: [10, 12, 0, 59].into() }],
        gateway: Some(Ipv4Addr::new(10, 12, 0, 254)),
        dns: vec![Ipv4Addr::new(10, 12, 0, 2), Ipv4Addr::new(10, 12, 0, 3)],
        domain: Some("boot.example.net".into()),
        lease_time: Duration::from_secs(600),
        mode: Mode::Server,
        unknown: Unknown::Discover,
        interface: Some("eth1".into()),
        server: SERVER,
        boot: Boot::at("http://10.12.0.1:8080"),
        advertise: Advertise::Presence,
    }
}

pub(crate) fn mac(n: u32) -> Mac {
    let [a, b, c, d] = n.to_be_bytes();
    Mac([0x52, 0x54, a, b, c, d])
}

pub(crate) fn discover(mac: Mac) -> Request {
    Datagram::new(MessageType::Discover, mac).request()
}

pub(crate) fn on_eth1() -> Arrival<'static> {
    let from = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68);
    Arrival { interface: Some("eth1"), service: Service::Dhcp, from }
}

/// A reply as a client reads it.
pub(crate) fn read(bytes: &[u8]) -> Message {
    Message::from_bytes(bytes).unwrap()
}

/// The bytes of one option of a reply, without code and length.
pub(crate) fn option(message: &Message, code: OptionCode) -> Option<Vec<u8>> {
    use dhcproto::Encodable;
    message.opts().get(code).map(|option| option.to_vec().unwrap()[2..].to_vec())
}

pub(crate) fn kind(message: &Message) -> MessageType {
    match message.opts().get(OptionCode::MessageType) {
        Some(DhcpOption::MessageType(kind)) => *kind,
        other => panic!("no message type but {other:?}"),
    }
}
