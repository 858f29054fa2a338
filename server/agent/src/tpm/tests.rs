//! Answers as they are and as they should not be: recorded ones, cut ones, and noise.

use std::{collections::VecDeque, io};

use proptest::prelude::*;
use underlay_core::agent::endorsement::Source;

use super::{command, endorsement, response, template, transport::Transport, wire::*, *};

/// A TPM that says what was put into its mouth, and keeps what it was asked.
struct Told {
    answers: VecDeque<Vec<u8>>,
    asked: Vec<Vec<u8>>,
}

impl Transport for Told {
    fn exchange(&mut self, command: &[u8]) -> io::Result<Vec<u8>> {
        self.asked.push(command.to_vec());
        self.answers.pop_front().ok_or_else(|| io::ErrorKind::TimedOut.into())
    }
}

fn tpm(answers: impl IntoIterator<Item = Vec<u8>>) -> Tpm<Told> {
    Tpm(Told { answers: answers.into_iter().collect(), asked: Vec::new() })
}

fn answer(code: u32, body: Writer) -> Vec<u8> {
    let body = body.done();
    let length = u32::try_from(body.len() + 10).unwrap();
    Writer::default().u16(0x8001).u32(length).u32(code).raw(&body).done()
}

/// An answer with sessions: its parameters by length, and the password session's empty acknowledgement.
fn with_parameters(handle: Option<u32>, parameters: Writer) -> Vec<u8> {
    let parameters = parameters.done();
    let body = handle.map_or_else(Writer::default, |handle| Writer::default().u32(handle));
    let length = u32::try_from(parameters.len()).unwrap();
    answer(0, body.u32(length).raw(&parameters).sized(&[]).u8(1).sized(&[]))
}

fn nv_public(index: u32, attributes: u32, size: u16) -> Vec<u8> {
    let public = Writer::default().u32(index).u16(0x0b).u32(attributes).sized(&[]).u16(size).done();
    answer(0, Writer::default().sized(&public).sized(&[0; 34]))
}

fn absent() -> Vec<u8> {
    answer(0x18b, Writer::default())
}

/// What swtpm gives its certificates: PPWRITE, OWNERREAD, AUTHREAD, WRITTEN, PLATFORMCREATE and more.
const READABLE: u32 = 0x6207_2001;

fn primary_answers(public: &[u8]) -> [Vec<u8>; 3] {
    let made = Writer::default().sized(public).sized(&[]).sized(&[]).raw(&[0; 8]).sized(&[]);
    let loaded = Writer::default().sized(public).sized(&[0; 34]).sized(&[0; 34]);
    [with_parameters(Some(0x8000_0000), made), answer(0, loaded), answer(0, Writer::default())]
}

#[test]
fn commands_are_as_the_library_specification_lays_them_out() {
    assert_eq!(hex::encode(command::startup()), "80010000000c000001440000");
    assert_eq!(hex::encode(command::nv_read_public(0x01c0_0002)), "80010000000e0000016901c00002");
    assert_eq!(
        hex::encode(command::nv_read(0x01c0_0002, 0x01c0_0002, 0x200, 0x100)),
        "8002000000230000014e01c0000201c000020000000940000009000000000001000200"
    );
    assert_eq!(hex::encode(command::flush_context(0x8000_0000)), "80010000000e0000016580000000");
}

#[test]
fn the_templates_are_those_of_the_credential_profile() {
    let (rsa, ecc) = (template::rsa_endorsement(), template::ecc_endorsement());
    assert_eq!((rsa.len(), ecc.len()), (314, 122));
    assert_eq!(hex::encode(&rsa[..10]), "0001000b000300b20020");
    assert_eq!(hex::encode(&rsa[42..58]), "00060080004300100800000000000100");
    assert_eq!(hex::encode(&ecc[42..56]), "0006008000430010000300100020");
}

#[test]
fn a_certificate_is_read_in_pieces_and_without_its_padding() {
    let mut certificate = vec![0x30, 0x82, 0x02, 0x54];
    certificate.resize(600, 0xab);
    let padded = [certificate.as_slice(), &[0xff; 100]].concat();
    let piece = |bytes: &[u8]| with_parameters(None, Writer::default().sized(bytes));
    let mut tpm = tpm([nv_public(0x01c0_0002, READABLE, 700), piece(&padded[..512]), piece(&padded[512..])]);
    let found = endorsement::read(&mut tpm).unwrap().unwrap();
    assert_eq!(found.source, Source::RsaCertificate);
    let digest = ring::digest::digest(&ring::digest::SHA256, &certificate);
    assert_eq!(found.sha256.as_bytes().as_slice(), digest.as_ref());
    assert_eq!(tpm.0.asked[2], command::nv_read(0x01c0_0002, 0x01c0_0002, 512, 188));
}

#[test]
fn without_a_certificate_the_key_is_what_it_is_known_by() {
    let [made, loaded, flushed] = primary_answers(&[7; 90]);
    let mut tpm = tpm([absent(), absent(), made, loaded, flushed]);
    let found = endorsement::read(&mut tpm).unwrap().unwrap();
    assert_eq!(found.source, Source::EccKey);
    assert_eq!(tpm.0.asked.last(), Some(&command::flush_context(0x8000_0000)));
}

#[test]
fn a_curve_the_tpm_does_not_know_leaves_the_other_key() {
    let [made, loaded, flushed] = primary_answers(&[7; 90]);
    let curve = answer(0x2e6, Writer::default());
    let mut tpm = tpm([absent(), absent(), curve, made, loaded, flushed]);
    assert_eq!(endorsement::read(&mut tpm).unwrap().unwrap().source, Source::RsaKey);
}

#[test]
fn a_tpm_that_does_not_answer_now_is_not_taken_for_another_one() {
    // TPM_RC_RETRY, TPM_RC_LOCKOUT, silence.
    for code in [0x922, 0x921] {
        let mut tpm = tpm([answer(code, Writer::default()), absent()]);
        assert!(matches!(endorsement::read(&mut tpm), Err(Error::Refused(_))));
    }
    assert!(matches!(endorsement::read(&mut tpm([absent()])), Err(Error::Exchange(_))));
    let [made, _, flushed] = primary_answers(&[7; 90]);
    let [_, other, _] = primary_answers(&[8; 90]);
    let mut tpm = tpm([absent(), absent(), made, other, flushed]);
    assert!(
        matches!(endorsement::read(&mut tpm), Err(Error::Malformed(_))),
        "what is loaded is something else"
    );
}

#[test]
fn an_index_that_is_empty_huge_or_for_others_holds_no_certificate() {
    for public in [
        nv_public(0x01c0_0002, READABLE & !response::NvPublic::WRITTEN, 700),
        nv_public(0x01c0_0002, READABLE, 0xffff),
        nv_public(0x01c0_0002, 0x2000_0001, 700),
    ] {
        let mut tpm = tpm([public]);
        assert_eq!(tpm.nv(0x01c0_0002, 8192).unwrap(), None);
        assert_eq!(tpm.0.asked.len(), 1);
    }
    let mut other = tpm([nv_public(0x01c0_0003, READABLE, 700)]);
    assert!(matches!(other.nv(0x01c0_0002, 8192), Err(Error::Malformed(_))), "an answer about another index");
    assert_eq!(endorsement::der(&[0x30, 0x82, 0xff, 0xff, 1]), None);
}

/// The answers to a key for quotes being made, to a quote by it, and to its being let go.
fn quote_answers() -> [Vec<u8>; 3] {
    let public = [&template::quotes()[..20], &[0, 32], &[3; 32], &[0, 31], &[5; 31]].concat();
    let [made, _, flushed] = primary_answers(&public);
    let signature = Writer::default().u16(0x18).u16(0x0b).sized(&[6; 32]).sized(&[7; 32]).done();
    [made, with_parameters(None, Writer::default().sized(b"attested").raw(&signature)), flushed]
}

#[test]
fn a_quote_is_asked_of_a_key_that_signs_nothing_else_and_is_let_go_after_it() {
    let mut tpm = tpm(quote_answers());
    let quote = quote::read(&mut tpm, &[9; 32]).unwrap();
    assert_eq!(quote.key, [&[4][..], &[3; 32], &[0], &[5; 31]].concat());
    assert_eq!((quote.attest.as_slice(), quote.signature.len()), (&b"attested"[..], 64));
    let asked = hex::encode(&tpm.0.asked[1]);
    let binding = "09".repeat(32);
    let rest = format!("0020{binding}0010 00000001 000b03103000").replace(' ', "");
    assert_eq!(
        asked,
        format!("80020000004900000158800000000000000940000009000000 0000{rest}").replace(' ', "")
    );
    assert_eq!(tpm.0.asked[2], command::flush_context(0x8000_0000));
}

#[test]
fn a_tpm_that_tests_itself_is_asked_again_and_not_for_ever() {
    let busy = || answer(0x922, Writer::default());
    let [made, quoted, flushed] = quote_answers();
    let mut once = tpm([busy(), busy(), made, busy(), quoted, flushed]);
    assert!(quote::read(&mut once, &[0; 32]).is_ok());
    let mut ever = tpm(std::iter::repeat_with(busy).take(100));
    assert!(matches!(quote::read(&mut ever, &[0; 32]), Err(Error::Refused(code)) if code.is_retry()));
    assert!(ever.0.asked.len() < 50);
}

proptest! {
    #[test]
    fn whatever_a_tpm_sends_is_refused_or_bounded(
        noise in proptest::collection::vec(any::<u8>(), 0..300),
        changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..6),
        cut in any::<usize>(), honest_length in any::<bool>(),
    ) {
        let [made, loaded, flushed] = primary_answers(&[7; 90]);
        let [key, quoted, _] = quote_answers();
        let nv = nv_public(0x01c0_0002, READABLE, 700);
        let data = with_parameters(None, Writer::default().sized(&[1; 512]));
        for good in [made, loaded, flushed, key, quoted, nv, data, answer(0, Writer::default().raw(&noise))] {
            let mut bytes = good.clone();
            for (at, byte) in &changes {
                let at = at % bytes.len();
                bytes[at] = *byte;
            }
            bytes.truncate(cut % (bytes.len() + 1));
            if honest_length && bytes.len() >= 10 {
                let length = u32::try_from(bytes.len()).unwrap();
                bytes[2..6].copy_from_slice(&length.to_be_bytes());
            }
            if let Ok(Ok(body)) = response::body(&bytes) {
                let _ = response::nv_public(body, 0x01c0_0002);
                let _ = response::nv_data(body, 512);
                let _ = response::primary(body);
                let _ = response::public(body);
                let _ = response::quoted(body);
                let _ = template::point(&bytes);
            }
            let mut tpm = tpm([bytes.clone(), bytes.clone(), bytes.clone(), bytes.clone(), bytes]);
            let _ = endorsement::read(&mut tpm);
            let _ = quote::read(&mut tpm, &[0; 32]);
        }
    }

    #[test]
    fn what_is_written_is_read_back(a in any::<u8>(), b in any::<u16>(), c in any::<u32>(), buffer in proptest::collection::vec(any::<u8>(), 0..600)) {
        let bytes = Writer::default().u8(a).sized(&buffer).u16(b).u32(c).done();
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!((reader.u8(), reader.sized(), reader.u16(), reader.u32()), (Ok(a), Ok(buffer.as_slice()), Ok(b), Ok(c)));
        prop_assert_eq!(reader.end(), Ok(()));
        for length in 0..bytes.len() {
            let mut reader = Reader::new(&bytes[..length]);
            let all = reader.u8().and_then(|_| reader.sized()).and_then(|_| reader.u16()).and_then(|_| reader.u32());
            prop_assert_eq!(all, Err(Malformed));
        }
    }
}
