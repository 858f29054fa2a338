//! A question to whoever hands out addresses: one DISCOVER a minute or so on each network that is ours, to find others
//! who answer it.
//!
//! It takes no address: what is offered is not asked for, and the offer lapses. Its MAC is a locally administered one
//! made up when the server starts, which our own responder leaves alone. Needs the client's port 68 for as long as it
//! listens; where that is taken, there is no probe, and machines that take another server's offer still tell of it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use dhcproto::v4::{MessageType, Opcode, OptionCode, borrowed};
use tokio::time::{sleep, timeout_at};
use tracing::debug;
use underlay_core::Mac;

use super::{
    counters::count,
    network::NetworkName,
    request::MAX_REQUEST,
    server::Ports,
    socket::{self, Shared},
    strangers::{Evidence, Stranger},
};

/// The shortest time between two probes; up to as much again is added.
const APART: Duration = Duration::from_secs(25);
/// After the start of a network.
const FIRST: Duration = Duration::from_secs(2);
/// How long answers are waited for; servers may look for the address by ping first.
const LISTEN: Duration = Duration::from_secs(4);
/// How many answers of one probe are read.
const ANSWERS: usize = 64;

/// A MAC for this process's probes: locally administered, unicast, made up.
pub(crate) fn mac() -> Mac {
    let [a, b, c, d, e, ..] = *uuid::Uuid::new_v4().as_bytes();
    Mac([0x02, a, b, c, d, e])
}

/// Asks on one interface for ever.
pub(crate) async fn run(
    shared: &Shared,
    interface: &str,
    network: &NetworkName,
    ports: Ports,
) -> io::Result<()> {
    let mut pause = FIRST;
    loop {
        sleep(pause).await;
        pause = APART + jitter();
        match ask(shared, interface, network, ports).await {
            Ok(()) => {
                shared.strangers.probed(network, Instant::now(), &*shared.sightings, &shared.counters);
            }
            // Somebody else's port, or an interface that is down: next time.
            Err(error) => debug!(interface, %error, "no other dhcp servers looked for"),
        }
    }
}

async fn ask(shared: &Shared, interface: &str, network: &NetworkName, ports: Ports) -> io::Result<()> {
    let socket = socket::bind(Some(interface), ports.client)?;
    let [_, _, xid @ ..] = shared.probe.0;
    socket
        .send_to(&discover(shared.probe, xid), SocketAddr::from((Ipv4Addr::BROADCAST, ports.server)))
        .await?;
    count(&shared.counters.probes);
    let until = tokio::time::Instant::now() + LISTEN;
    let mut buffer = vec![0; MAX_REQUEST];
    for _ in 0..ANSWERS {
        let Ok(heard) = timeout_at(until, socket.recv_from(&mut buffer)).await else { break };
        let (size, from) = heard?;
        let SocketAddr::V4(from) = from else { continue };
        let answer = buffer.get(..size).and_then(|reply| server_of(reply, xid, *from.ip()));
        if let Some(address) = answer.filter(|address| !shared.responder.is_ours(*address)) {
            let stranger = Stranger { address, evidence: Evidence::Answered };
            shared.strangers.hear(network, stranger, Instant::now(), &*shared.sightings, &shared.counters);
        }
    }
    Ok(())
}

fn jitter() -> Duration {
    let [a, b, ..] = *uuid::Uuid::new_v4().as_bytes();
    APART.mul_f64(f64::from(u16::from_be_bytes([a, b])) / f64::from(u16::MAX))
}

/// RFC 2131 table 5, with the broadcast flag, for we have a port and no address to be given.
fn discover(mac: Mac, xid: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![1, 1, 6, 0];
    bytes.extend(xid);
    bytes.extend([0, 0, 0x80, 0]);
    bytes.extend([0; 16]);
    bytes.extend(mac.0);
    bytes.resize(236, 0);
    bytes.extend([99, 130, 83, 99, 53, 1, 1, 55, 2, 1, 3, 255]);
    bytes.resize(300, 0);
    bytes
}

/// The server that answered our question; what it calls itself, or else where it sent from.
fn server_of(reply: &[u8], xid: [u8; 4], from: Ipv4Addr) -> Option<Ipv4Addr> {
    // dhcproto reads fields by their place.
    let message = (reply.len() >= 240).then(|| borrowed::Message::new(reply).ok())??;
    if message.opcode() != Opcode::BootReply || message.xid() != u32::from_be_bytes(xid) {
        return None;
    }
    let (mut named, mut is_answer) = (None, false);
    for option in message.opts() {
        match (option.code(), option.data()) {
            (OptionCode::ServerIdentifier, data) => {
                named = <[u8; 4]>::try_from(data).ok().map(Ipv4Addr::from)
            }
            (OptionCode::MessageType, &[kind]) => {
                is_answer = matches!(
                    MessageType::from(kind),
                    MessageType::Offer | MessageType::Ack | MessageType::Nak
                );
            }
            _ => {}
        }
    }
    is_answer.then(|| named.filter(|named| !named.is_unspecified()).unwrap_or(from))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::dhcp::request::{Request, Wish};

    const FROM: Ipv4Addr = Ipv4Addr::new(10, 12, 0, 7);
    const XID: [u8; 4] = [1, 2, 3, 4];

    fn offer(edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = discover(mac(), XID);
        bytes[0] = 2;
        bytes.truncate(240);
        bytes.extend([53, 1, 2, 54, 4, 10, 12, 0, 9, 255]);
        edit(&mut bytes);
        bytes
    }

    #[test]
    fn the_question_is_a_discover_of_a_made_up_machine() {
        let mac = mac();
        let request = Request::parse(&discover(mac, XID)).unwrap();
        assert_eq!((request.wish, request.mac, request.flags), (Wish::Discover, mac, 0x8000));
        assert!(mac.is_unicast() && mac.0[0] & 2 != 0);
    }

    #[test]
    fn an_answer_names_its_server_and_anything_else_does_not() {
        type Edit = fn(&mut Vec<u8>);
        let named = Some(Ipv4Addr::new(10, 12, 0, 9));
        let table: [(&str, Edit, Option<Ipv4Addr>); 6] = [
            ("an offer", |_| {}, named),
            ("an offer without option 54", |bytes| bytes[243] = 200, Some(FROM)),
            ("another question's", |bytes| bytes[4] = 9, None),
            ("a request", |bytes| bytes[0] = 1, None),
            ("no message type", |bytes| bytes[240] = 200, None),
            ("a stump", |bytes| bytes.truncate(100), None),
        ];
        for (what, edit, server) in table {
            assert_eq!(server_of(&offer(edit), XID, FROM), server, "{what}");
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_left(bytes in vec(any::<u8>(), 0..700), tail in vec(any::<u8>(), 0..100)) {
            let _ = server_of(&bytes, XID, FROM);
            let _ = server_of(&offer(|offer| offer.extend(tail)), XID, FROM);
        }
    }
}
