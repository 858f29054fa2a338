//! Packets that no client should send: each is refused or answered, none stops the server.

use std::{net::Ipv4Addr, sync::Arc};

use dhcproto::v4::MessageType;
use jiff::Timestamp;
use proptest::{collection::vec, prelude::*};

use super::{Datagram, mac, network, on_eth1};
use crate::{
    dhcp::{
        directory::Fixed,
        network::Mode,
        request::{MAX_REQUEST, Malformed, Request},
        responder::{Arrival, Responder, Service, Verdict},
        server::Ports,
    },
    testing::corpus,
};

fn edited(edit: impl FnOnce(&mut Vec<u8>)) -> Result<Request, Malformed> {
    let mut bytes = Datagram::new(MessageType::Discover, mac(1)).bytes();
    edit(&mut bytes);
    Request::parse(&bytes)
}

#[test]
fn each_known_malformation_is_refused_by_name() {
    type Edit = fn(&mut Vec<u8>);
    let corpus: [(&str, Edit, Malformed); 13] = [
        ("empty", |b| b.clear(), Malformed::Size(0)),
        ("cut in the header", |b| b.truncate(239), Malformed::Size(239)),
        ("larger than any request", |b| b.resize(MAX_REQUEST + 1, 0), Malformed::Size(MAX_REQUEST + 1)),
        ("a reply", |b| b[0] = 2, Malformed::NotARequest),
        ("no opcode", |b| b[0] = 0, Malformed::NotARequest),
        ("token ring", |b| b[1] = 4, Malformed::Hardware),
        ("hardware address longer than its field", |b| b[2] = 255, Malformed::Hardware),
        ("no hardware address", |b| b[2] = 0, Malformed::Hardware),
        ("multicast hardware address", |b| b[28] = 1, Malformed::Hardware),
        ("too many hops", |b| b[3] = 17, Malformed::Hops),
        ("wrong magic", |b| b[236] = 0, Malformed::MessageType),
        ("no options", |b| b.truncate(240), Malformed::MessageType),
        ("message type of a server", |b| b[242] = 5, Malformed::MessageType),
    ];
    for (name, edit, error) in corpus {
        assert_eq!(edited(edit), Err(error), "{name}");
    }
}

#[test]
fn an_option_of_the_wrong_length_counts_as_absent() {
    let request = Datagram::new(MessageType::Request, mac(1))
        .option(50, &[10, 12])
        .option(54, &[])
        .option(61, &[1; 200])
        .option(80, &[1, 2, 3])
        .option(82, &[])
        .option(93, &[0])
        .option(94, &[1])
        .option(97, &[0; 40])
        .request();
    assert_eq!((request.requested, request.server, request.arch), (None, None, None));
    assert_eq!((request.client_id, request.relay, request.uuid), (None, None, None));
}

#[test]
fn options_that_run_past_the_end_leave_those_before_them() {
    let mut bytes = Datagram::new(MessageType::Discover, mac(1)).pxe(7).bytes();
    bytes.pop();
    bytes.extend([50, 200, 1]);
    let request = Request::parse(&bytes).unwrap();
    assert_eq!(request.requested, None);
    assert!(request.arch.is_some());
}

#[test]
fn a_reply_that_cannot_fit_a_frame_is_an_error_and_not_a_panic() {
    let everything = Datagram::new(MessageType::Discover, mac(1))
        .ipxe(0)
        .option(61, &[7; 135])
        .option(82, &[1; 255])
        .giaddr(Ipv4Addr::new(10, 12, 0, 9));
    for mode in [Mode::Server, Mode::Proxy] {
        let mut network = network();
        network.mode = mode;
        network.domain = Some("d".repeat(100));
        network.boot.script = format!("http://{}", "s".repeat(170));
        network.check().unwrap();
        let responder = Responder::new(Arc::new(Fixed::default()), Ports::default(), &[]);
        responder.serve([network].into());
        let answer = responder.answer(&everything.request(), on_eth1(), Timestamp::UNIX_EPOCH).unwrap();
        assert!(matches!(answer.verdict, Verdict::Send(out) if out.bytes.len() <= 1472), "{mode:?}");
    }
}

/// Options of any code and content, well formed or cut short.
fn options() -> impl Strategy<Value = Vec<u8>> {
    let option = (any::<u8>(), vec(any::<u8>(), 0..60), any::<bool>()).prop_map(|(code, data, lie)| {
        let length = u8::try_from(data.len()).unwrap().wrapping_add(u8::from(lie));
        [&[code, length], &data[..]].concat()
    });
    vec(option, 0..20).prop_map(|options| options.concat())
}

#[test]
fn every_entry_of_the_corpus_is_read() {
    for datagram in corpus::entries("dhcp") {
        everywhere(&Request::parse(&datagram).unwrap());
    }
}

fn everywhere(request: &Request) {
    for (mode, service) in
        [(Mode::Server, Service::Dhcp), (Mode::Proxy, Service::Dhcp), (Mode::Proxy, Service::BootServer)]
    {
        let mut network = network();
        network.mode = mode;
        let responder = Responder::new(Arc::new(Fixed::default()), Ports::default(), &[]);
        responder.serve([network].into());
        let arrival = Arrival { service, ..on_eth1() };
        let _ = responder.answer(request, arrival, Timestamp::UNIX_EPOCH);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..700)) {
        let _ = Request::parse(&bytes);
    }

    #[test]
    fn a_spoilt_request_is_answered_or_refused(bytes in corpus::edited("dhcp")) {
        if let Ok(request) = Request::parse(&bytes) {
            everywhere(&request);
        }
    }

    #[test]
    fn any_options_behind_a_good_header_are_answered_or_ignored(
        kind in 0u8..10, tail in options(), addresses in any::<[u8; 16]>(), hlen in any::<u8>(),
    ) {
        let mut bytes = Datagram::new(MessageType::from(kind), mac(1)).bytes();
        bytes.pop();
        bytes.extend(tail);
        bytes[12..28].copy_from_slice(&addresses);
        if let Ok(request) = Request::parse(&bytes) {
            everywhere(&request);
        }
        bytes[2] = hlen;
        let _ = Request::parse(&bytes);
    }
}
