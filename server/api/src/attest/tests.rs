//! Quotes that hold and quotes that do not, by a key of the test's own in place of a TPM's.

use proptest::prelude::*;
use ring::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use underlay_core::attest::binding;
use underlay_proto::v1 as pb;

use super::{
    program::{self, Programs},
    quote::{check, is_of},
};

const AGENT: [u8; 32] = [0xa; 32];
const KERNEL: [u8; 32] = [0xb; 32];

fn programs() -> Programs {
    Programs { agent: AGENT, kernel: KERNEL, shim: None }
}

fn action(text: &[u8]) -> [u8; 32] {
    digest(&SHA256, text).as_ref().try_into().expect("32 bytes")
}

/// A boot as firmware measures it: it calls a program, which starts others.
fn boot(programs: &[[u8; 32]]) -> Vec<[u8; 32]> {
    let mut events = vec![action(b"Calling EFI Application from Boot Option"), action(&[0; 4])];
    events.extend(programs);
    events
}

struct Tpm(EcdsaKeyPair);

impl Tpm {
    fn new() -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        Self(
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random).expect("a key"),
        )
    }

    fn sign(&self, attest: Vec<u8>, started: &[[u8; 32]]) -> pb::Quote {
        let signature = self.0.sign(&SystemRandom::new(), &attest).expect("a signature");
        pb::Quote {
            key: self.0.public_key().as_ref().to_vec(),
            attest,
            signature: signature.as_ref().to_vec(),
            started: started.iter().map(|event| event.to_vec()).collect(),
        }
    }

    fn quote(&self, bound_to: &[u8; 32], started: &[[u8; 32]]) -> pb::Quote {
        self.sign(attest(bound_to, started, [0x10, 0x30, 0]), started)
    }
}

fn attest(bound_to: &[u8], started: &[[u8; 32]], pcrs: [u8; 3]) -> Vec<u8> {
    attest_beside(bound_to, started, pcrs, [0; 32])
}

/// The same with that in PCR 12.
fn attest_beside(bound_to: &[u8], started: &[[u8; 32]], pcrs: [u8; 3], beside: [u8; 32]) -> Vec<u8> {
    let value = started.iter().fold([0; 32], |value: [u8; 32], event| action(&[value, *event].concat()));
    let mut attest = vec![0xff, 0x54, 0x43, 0x47, 0x80, 0x18];
    for part in [&[0, 0xb, 1, 2][..], bound_to] {
        attest.extend(u16::try_from(part.len()).expect("short").to_be_bytes());
        attest.extend(part);
    }
    attest.extend([0; 25]);
    attest.extend([0, 0, 0, 1, 0, 0xb, 3]);
    attest.extend(pcrs);
    attest.extend([0, 32]);
    attest.extend(action(&[&value[..], &beside, &[0; 32]].concat()));
    attest
}

#[test]
fn a_boot_of_our_program_is_vouched_for_by_the_hosts_key_and_no_other() {
    let (tpm, bound) = (Tpm::new(), binding("token", b"request"));
    for started in [&[AGENT][..], &[AGENT, KERNEL]] {
        let key = check(Some(&tpm.quote(&bound, &boot(started))), &bound, &programs()).expect("it holds");
        assert_eq!(key, hex::encode(digest(&SHA256, tpm.0.public_key().as_ref())));
        assert_eq!(is_of(&key, Some(&key.to_uppercase())), Ok(()));
        assert!(is_of(&key, Some(&"0".repeat(64))).is_err());
        assert!(is_of(&key, None).is_err_and(|why| why.contains(&format!("tpm = \"{key}\""))));
    }
}

#[test]
fn a_shim_may_come_before_our_program_and_is_not_enough() {
    let (tpm, bound) = (Tpm::new(), binding("token", b"request"));
    let shim = [0xd; 32];
    let with = Programs { shim: Some(shim), ..programs() };
    let ask = |started: &[[u8; 32]], programs: &Programs| {
        check(Some(&tpm.quote(&bound, &boot(started))), &bound, programs)
    };
    assert!(ask(&[shim, AGENT, KERNEL], &with).is_ok());
    assert!(ask(&[shim, AGENT], &programs()).is_err_and(|why| why.contains("none of ours")));
    assert!(ask(&[shim], &with).is_err_and(|why| why.contains("did not start the agent")));
    assert!(ask(&[shim, [0xc; 32]], &with).is_err_and(|why| why.contains("none of ours")));
}

#[test]
fn a_quote_of_another_boot_or_another_agent_is_refused() {
    let (tpm, bound) = (Tpm::new(), binding("token", b"request"));
    let good = tpm.quote(&bound, &boot(&[AGENT]));
    for other in [binding("another token", b"request"), binding("token", b"another key's request")] {
        let why = check(Some(&good), &other, &programs()).expect_err("it is a replay");
        assert!(why.contains("not of this boot"), "{why}");
    }
}

#[test]
fn a_boot_of_anything_else_is_refused() {
    let (tpm, bound) = (Tpm::new(), binding("token", b"request"));
    for (started, because) in [
        (boot(&[[0xc; 32]]), "none of ours (SHA-256 0c0c"),
        (boot(&[AGENT, [0xc; 32]]), "none of ours"),
        (boot(&[[0xc; 32], AGENT]), "none of ours"),
        (boot(&[KERNEL]), "did not start the agent's program"),
        (boot(&[]), "did not start"),
        (Vec::new(), "did not start"),
        (vec![AGENT; 65], "another form"),
    ] {
        let why = check(Some(&tpm.quote(&bound, &started)), &bound, &programs()).expect_err(because);
        assert!(why.contains(because), "{why}");
    }
}

#[test]
fn what_is_told_counts_only_where_it_is_what_was_signed() {
    let (tpm, bound) = (Tpm::new(), binding("token", b"request"));
    let refused = |quote: Option<pb::Quote>, because: &str| {
        let why = check(quote.as_ref(), &bound, &programs()).expect_err(because);
        assert!(why.contains(because), "{why}");
    };
    let evil = tpm.quote(&bound, &boot(&[[0xc; 32]]));
    let told = boot(&[AGENT]).iter().map(|event| event.to_vec()).collect();
    refused(Some(pb::Quote { started: told, ..evil }), "is not what it signed");
    let good = tpm.quote(&bound, &boot(&[AGENT]));
    let other = Tpm::new().quote(&bound, &boot(&[AGENT]));
    refused(Some(pb::Quote { key: other.key, ..good.clone() }), "not signed by its key");
    refused(Some(pb::Quote { signature: other.signature, ..good.clone() }), "not signed by its key");
    refused(Some(pb::Quote { key: Vec::new(), ..good.clone() }), "another form");
    refused(None, "none that the agent found");
    // Of a PCR that any program may extend as it likes.
    let pcr_16 = tpm.sign(attest(&bound, &boot(&[AGENT]), [0, 0, 1]), &boot(&[AGENT]));
    refused(Some(pcr_16), "no quote of the PCRs");
    let line = attest_beside(&bound, &boot(&[AGENT]), [0x10, 0x30, 0], [1; 32]);
    refused(Some(tpm.sign(line, &boot(&[AGENT]))), "given more than a line of its own");
    let mut creation = good.attest.clone();
    creation[5] = 0x1a;
    refused(Some(tpm.sign(creation, &boot(&[AGENT]))), "no quote of the PCRs");
    let mut longer = good.attest.clone();
    longer.push(0);
    refused(Some(tpm.sign(longer, &boot(&[AGENT]))), "no quote of the PCRs");
    for end in 0..good.attest.len() {
        refused(Some(tpm.sign(good.attest[..end].to_vec(), &boot(&[AGENT]))), "no quote of the PCRs");
    }
}

/// A program of one section and a signature.
fn program() -> Vec<u8> {
    let mut image = vec![0; 0x600];
    image[..2].copy_from_slice(b"MZ");
    image[0x3c] = 0x80;
    image[0x80..0x84].copy_from_slice(b"PE\0\0");
    image[0x86] = 1;
    image[0x94] = 0xf0;
    let optional = 0x98;
    image[optional..optional + 2].copy_from_slice(&0x20b_u16.to_le_bytes());
    for (at, value) in [(60, 0x400_u32), (144, 0x580), (148, 0x80)] {
        image[optional + at..optional + at + 4].copy_from_slice(&value.to_le_bytes());
    }
    let section = optional + 0xf0;
    for (at, value) in [(16, 0x100_u32), (20, 0x400)] {
        image[section + at..section + at + 4].copy_from_slice(&value.to_le_bytes());
    }
    image
}

#[test]
fn a_program_is_known_by_all_of_it_but_its_checksum_and_its_signature() {
    let hash = |at: Option<usize>| {
        let mut image = program();
        if let Some(at) = at {
            image[at] ^= 1;
        }
        program::hash(&image)
    };
    let plain = hash(None);
    assert!(plain.is_some());
    for covered in [0x4, 0xa0, 0x3ff, 0x400, 0x4ff, 0x500, 0x57f] {
        assert_ne!(hash(Some(covered)), plain, "{covered:#x}");
    }
    for not_covered in [0x98 + 64, 0x98 + 144, 0x580, 0x5ff] {
        assert_eq!(hash(Some(not_covered)), plain, "{not_covered:#x}");
    }
}

proptest! {
    #[test]
    fn noise_is_no_quote_and_no_program(noise in prop::collection::vec(any::<u8>(), 0..400), at in 0_usize..0x600) {
        let tpm = Tpm::new();
        let quote = tpm.sign(noise.clone(), &[]);
        prop_assert!(check(Some(&quote), &[0; 32], &programs()).is_err());
        let mut image = program();
        for (offset, byte) in noise.iter().enumerate() {
            if let Some(place) = image.get_mut(at + offset) {
                *place = *byte;
            }
        }
        let _ = program::hash(&image);
        let _ = program::hash(&noise);
    }
}
