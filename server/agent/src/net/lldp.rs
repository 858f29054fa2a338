//! What switches say of themselves (LLDP, IEEE 802.1AB-2016): read from frames that anybody on the wire may have sent.

use std::net::{Ipv4Addr, Ipv6Addr};

use underlay_core::{Mac, agent::Neighbour};

/// The EtherType of LLDP.
pub const ETHERTYPE: u16 = 0x88cc;
/// No frame is longer, jumbo ones included.
pub const MAX_FRAME: usize = 9216;
/// The longest text that is kept, in characters; the standard allows 255.
const TEXT: usize = 128;
/// The most TLVs of a frame that are looked at.
const TLVS: usize = 256;

/// Reads a frame without its Ethernet header; nothing, where it does not say who and where.
pub fn parse(frame: &[u8]) -> Option<Neighbour> {
    let (mut chassis, mut port) = (None, None);
    let mut found = Neighbour::default();
    let mut rest = frame.get(..MAX_FRAME).unwrap_or(frame);
    for _ in 0..TLVS {
        let Some(([high, low], after)) = rest.split_first_chunk() else { break };
        // Seven bits of type, nine of length (8.4).
        let (kind, length) = (high >> 1, usize::from(high & 1) << 8 | usize::from(*low));
        let Some((value, after)) = after.split_at_checked(length) else { break };
        rest = after;
        match kind {
            0 => break,
            1 => chassis = chassis.or_else(|| id(value, 4, 5)),
            2 => port = port.or_else(|| id(value, 3, 4)),
            4 => found.description = found.description.take().or_else(|| text(value)),
            5 => found.system = found.system.take().or_else(|| text(value)),
            _ => {}
        }
    }
    (found.chassis, found.port) = (chassis?, port?);
    Some(found)
}

/// The id of a chassis or a port, whose first byte says what it is: `mac` and `address` are the numbers of those kinds.
fn id(value: &[u8], mac: u8, address: u8) -> Option<String> {
    let (kind, value) = value.split_first()?;
    if *kind == mac
        && let Ok(bytes) = <[u8; 6]>::try_from(value)
    {
        return Some(Mac(bytes).to_string());
    }
    if *kind == address {
        // The family of addresses, of IANA's numbers.
        return match value.split_first()? {
            (1, bytes) => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string()),
            (2, bytes) => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string()),
            _ => None,
        };
    }
    text(value)
}

fn text(bytes: &[u8]) -> Option<String> {
    let text: String =
        String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).take(TEXT).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
        let length = u8::try_from(value.len()).unwrap();
        [&[kind << 1, length], value].concat()
    }

    /// As a switch sends it, its time to live and capabilities included.
    fn frame() -> Vec<u8> {
        [
            tlv(1, &[4, 0, 0x1c, 0x73, 1, 2, 3]),
            tlv(2, b"\x05Ethernet1/7"),
            tlv(3, &[0, 120]),
            tlv(4, b"to rack 7\r\n"),
            tlv(5, b"leaf-1.example"),
            tlv(7, &[0, 20, 0, 20]),
            tlv(127, &[0, 0x80, 0xc2, 1, 0, 12]),
            tlv(0, &[]),
        ]
        .concat()
    }

    #[test]
    fn a_switch_and_its_port_are_read() {
        let found = parse(&frame()).unwrap();
        assert_eq!((found.chassis.as_str(), found.port.as_str()), ("00:1c:73:01:02:03", "Ethernet1/7"));
        assert_eq!(found.system.as_deref(), Some("leaf-1.example"));
        assert_eq!(found.description.as_deref(), Some("to rack 7"));
    }

    #[test]
    fn addresses_are_ids_too() {
        let frame = [tlv(1, &[5, 1, 10, 0, 0, 1]), tlv(2, &[3, 2, 0, 0, 0, 0, 1])].concat();
        let found = parse(&frame).unwrap();
        assert_eq!((found.chassis.as_str(), found.port.as_str()), ("10.0.0.1", "02:00:00:00:00:01"));
    }

    #[test]
    fn one_that_does_not_say_where_is_nobody() {
        assert_eq!(parse(&[]), None);
        assert_eq!(parse(&tlv(1, b"\x07switch")), None);
        assert_eq!(parse(&[tlv(1, &[]), tlv(2, b"\x05x")].concat()), None);
        assert_eq!(parse(&frame()[..12]), None, "cut short");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_bounded_and_printable(
            noise in proptest::collection::vec(any::<u8>(), 0..600),
            changes in proptest::collection::vec((0..80_usize, any::<u8>()), 0..8),
            cut in 0..80_usize,
        ) {
            let mut mangled = frame();
            for (at, byte) in changes {
                let at = at % mangled.len();
                mangled[at] = byte;
            }
            mangled.truncate(cut);
            for frame in [noise, mangled] {
                if let Some(found) = parse(&frame) {
                    let texts = [Some(found.chassis), Some(found.port), found.system, found.description];
                    for text in texts.into_iter().flatten() {
                        prop_assert!(!text.is_empty() && text.chars().count() <= TEXT && !text.chars().any(char::is_control));
                    }
                }
            }
        }
    }
}
