//! What goes over the wire, piece by piece: good pieces are read, spoilt ones are an error, and nothing panics.
//!
//! `scripts/fuzz.sh ipmi` runs these for as long as it is told.

use proptest::{collection::vec, prelude::*, sample::Index};
use uuid::Uuid;

use super::super::{
    fru,
    handshake::{Handshake, Heard},
    packet::{self, Kind, Request},
    quirks::{self, Flags},
    suite::{Keys, Suite},
};
use crate::testing::corpus;

const STATUS: Request<'static> = Request { family: 0, command: 1, data: &[] };

fn hand() -> Handshake<'static> {
    let (user, password) = (b"admin".as_slice(), b"secret".as_slice());
    Handshake { suite: Suite::Seventeen, user, password, ours: 0x0403_0201, random: [5; 16] }
}

/// Give these bytes to whatever reads what a BMC sends.
fn read_everything(bytes: &[u8]) {
    let hand = hand();
    for kind in [Kind::Opened, Kind::Rakp2, Kind::Rakp4] {
        let Ok(message) = packet::read_open(bytes, kind) else { continue };
        let _ = hand.opened(message);
        let _ = hand.introduced(1, message);
    }
    let _ = hand.opened(bytes);
    let _ = hand.introduced(1, bytes);
    for suite in [Suite::Three, Suite::Seventeen] {
        let keys = Keys::new(suite, b"integrity");
        let _ = packet::unseal(&keys, bytes);
        let _ = keys.reveal(bytes);
        // Whoever knows the password can seal what they like.
        let sealed = [&[6, 0, 0xff, 7], bytes, &keys.seal(bytes)].concat();
        let _ = packet::unseal(&keys, &sealed);
    }
    let _ = packet::answer(bytes, STATUS, 1);
    let _ = Flags::read(bytes);
    let _ = fru::product_at(bytes);
    let _ = fru::area_size(bytes);
    if let Ok(Some(serial)) = fru::serial(bytes) {
        assert!(!serial.is_empty() && serial.len() < 64 && !serial.chars().any(char::is_control));
    }
}

proptest! {
    #[test]
    fn noise_is_read_as_noise(bytes in vec(any::<u8>(), 0..300)) {
        read_everything(&bytes);
    }

    #[test]
    fn the_corpus_is_read_and_spoilt_it_is_read_or_an_error(bytes in corpus::edited("ipmi")) {
        read_everything(&bytes);
    }

    #[test]
    fn what_is_sealed_comes_back_and_with_one_bit_changed_it_does_not(
        message in vec(any::<u8>(), 0..100), session in any::<u32>(), sequence in any::<u32>(),
        iv in any::<[u8; 16]>(), at in any::<Index>(), bit in 0_u8..8,
    ) {
        for suite in [Suite::Three, Suite::Seventeen] {
            let keys = Keys::new(suite, b"integrity");
            let mut packet = packet::sealed(&keys, session, sequence, &message, iv);
            let found = packet::unseal(&keys, &packet);
            let expected = packet::Unsealed { session, sequence, message: message.clone() };
            prop_assert_eq!(found, Ok(expected));
            let at = at.index(packet.len());
            packet[at] ^= 1 << bit;
            prop_assert!(packet::unseal(&keys, &packet).is_err());
        }
    }

    #[test]
    fn a_message_spoilt_anywhere_is_no_answer(
        data in vec(any::<u8>(), 0..40), at in any::<Index>(), bit in 0_u8..8,
    ) {
        let mut message = answer_to(STATUS, 9, &data);
        let found = packet::answer(&message, STATUS, 9);
        prop_assert_eq!(found.map(|answer| answer.data), Ok(data));
        let at = at.index(message.len());
        message[at] ^= 1 << bit;
        prop_assert!(packet::answer(&message, STATUS, 9).is_err());
    }
}

fn answer_to(request: Request<'_>, sequence: u8, data: &[u8]) -> Vec<u8> {
    let to = [0x81, (request.family | 1) << 2];
    let from = [&[0x20, sequence << 2, request.command, 0], data].concat();
    [to.as_slice(), &[packet::checksum(&to)], &from, &[packet::checksum(&from)]].concat()
}

#[test]
fn every_entry_of_the_corpus_is_read() {
    let names = ["boot-flags", "fru-header", "fru-product", "open-response", "rakp2", "status-answer"];
    let [flags, header, product, open, rakp2, status]: [Vec<u8>; 6] =
        corpus::entries("ipmi").try_into().unwrap_or_else(|found: Vec<_>| panic!("{names:?}, not {found:?}"));
    assert_eq!(Flags::read(&flags), Ok(Flags([0xa0, 0x04, 0, 0, 0])));
    assert_eq!(fru::product_at(&header), Ok(Some(8)));
    assert_eq!(fru::serial(&product), Ok(Some("SN-17".into())));
    let hand = hand();
    let message = packet::read_open(&open, Kind::Opened).expect("a packet");
    assert_eq!(hand.opened(message), Ok(Heard::Answer(0x0a0b_0c0d)));
    let message = packet::read_open(&rakp2, Kind::Rakp2).expect("a packet");
    let heard = hand.introduced(0x0a0b_0c0d, message).expect("it is read");
    assert!(matches!(heard, Heard::Answer(_)), "its proof is computed apart from ours: {heard:?}");
    assert_eq!(packet::answer(&status, STATUS, 1).expect("an answer").data, [0x21, 0, 0x40]);
}

#[test]
fn a_guid_is_told_in_the_order_in_which_it_is_the_enrolled_uuid_or_a_uuid_at_all() {
    let uuid: Uuid = "12345678-9abc-4def-8123-456789abcdef".parse().expect("a UUID");
    let (plain, smbios) = (*uuid.as_bytes(), uuid.to_bytes_le());
    let mut backwards = plain;
    backwards.reverse();
    for guid in [plain, smbios, backwards] {
        assert_eq!(quirks::uuid(guid, Some(uuid)).as_deref(), Some("12345678-9abc-4def-8123-456789abcdef"));
    }
    // The variant stands where it does in both of these orders, and the version in one of them only.
    assert_eq!(quirks::uuid(plain, None), Some(uuid.to_string()));
    assert_eq!(quirks::uuid(smbios, None), Some(uuid.to_string()));
    for nothing in [[0; 16], [0xff; 16], [0x11; 16]] {
        assert_eq!(quirks::uuid(nothing, Some(uuid)), None, "{nothing:02x?}");
    }
    let other: Uuid = "aaaaaaaa-9abc-4def-8123-456789abcdef".parse().expect("a UUID");
    assert_eq!(quirks::uuid(plain, Some(other)), Some(uuid.to_string()), "another box is named");
}

#[test]
fn a_serial_number_that_is_no_text_or_not_there_is_none() {
    let area = |serial: &[u8]| {
        let head = [1, 1, 25, 0xc1 + 1, b'M', b'M', 0xc0, 0xc0, 0xc0];
        [head.as_slice(), serial].concat()
    };
    assert_eq!(fru::serial(&area(&[0xc3, b'a', b'b', b' '])), Ok(Some("ab".into())));
    assert_eq!(fru::serial(&area(&[0xc0])), Ok(None), "empty");
    assert_eq!(fru::serial(&area(&[0xc1])), Ok(None), "the end of the fields");
    assert_eq!(fru::serial(&area(&[0x02, 1, 2])), Ok(None), "binary");
    assert_eq!(fru::serial(&area(&[0xc2, b'a', 7])), Ok(None), "a bell");
    assert!(fru::serial(&area(&[0xc9, b'a'])).is_err(), "cut short");
}
