//! A quote (TPMS_ATTEST, TPM 2.0 Library, part 2, section 10.12), checked: by whom it is signed, what it is bound to, and
//! what PCR 4 says was started.
//!
//! What was started is told beside the quote and believed only where it comes to the value that the TPM signed.

use ring::{
    digest::{SHA256, digest},
    signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey},
};
use underlay_proto::v1 as pb;

use super::program::Programs;

const MAGIC: u32 = 0xff54_4347;
const QUOTE: u16 = 0x8018;
const ALG_SHA256: u16 = 0x0b;
/// The bits of a selection of PCRs 4, 12 and 13. Into the latter two systemd's stub measures the kernel lines and files that it was
/// given beside its own, so they have to be as they were at reset.
const PCRS: [u8; 3] = [0x10, 0x30, 0];
const UNTOUCHED: [u8; 32] = [0; 32];
/// Bytes of an uncompressed point, and of a signature.
const POINT: usize = 65;
const SIGNATURE: usize = 64;
/// The most of an attestation that is read, and of what was started.
const ATTEST: usize = 1024;
const STARTED: usize = 64;

/// What firmware measures into PCR 4 beside programs (TCG PC Client Platform Firmware Profile, section 3.3.4.5).
const ACTIONS: [&[u8]; 3] = [
    b"Calling EFI Application from Boot Option",
    b"Returning from EFI Application from Boot Option",
    &[0; 4],
];

/// SHA-256 of the public point of the key that vouches for a boot of our program and nothing else, in this boot.
///
/// # Errors
/// In words, why it does not.
pub(super) fn check(
    quote: Option<&pb::Quote>,
    binding: &[u8; 32],
    programs: &Programs,
) -> Result<String, String> {
    let quote = quote.ok_or("it has none that the agent found")?;
    if quote.key.len() != POINT || quote.signature.len() != SIGNATURE || quote.attest.len() > ATTEST {
        return Err("its quote has another form".into());
    }
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &quote.key);
    key.verify(&quote.attest, &quote.signature).map_err(|_| "its quote is not signed by its key")?;
    let attested = Attested::read(&quote.attest).ok_or("what it signed is no quote of the PCRs asked for")?;
    if attested.bound_to != binding {
        return Err("its quote is not of this boot, or not of this agent".into());
    }
    started(&quote.started, attested.pcrs, programs)?;
    Ok(hex::encode(digest(&SHA256, &quote.key)))
}

/// Is it the key that the host is known by?
pub(super) fn is_of(key: &str, known: Option<&str>) -> Result<(), String> {
    match known {
        Some(known) if known.eq_ignore_ascii_case(key) => Ok(()),
        Some(known) => Err(format!("its key is {key}, and the host's is {known}")),
        None => Err(format!(
            "its key is {key}, and it is not known whether that is the host's; if you know that it is, write identity = {{ tpm = \
             \"{key}\" }}"
        )),
    }
}

/// Was our program started, and nothing that we do not know?
fn started(started: &[Vec<u8>], pcrs: &[u8], programs: &Programs) -> Result<(), String> {
    if started.len() > STARTED || started.iter().any(|digest| digest.len() != 32) {
        return Err("what it says was started has another form".into());
    }
    let extended = started
        .iter()
        .fold(vec![0; 32], |value, event| digest(&SHA256, &[&value[..], event].concat()).as_ref().to_vec());
    let value = [&extended[..], &UNTOUCHED, &UNTOUCHED].concat();
    if digest(&SHA256, &value).as_ref() != pcrs {
        return Err(
            "what it says was started is not what it signed, or was given more than a line of its own".into(),
        );
    }
    let actions: Vec<_> = ACTIONS.iter().map(|action| digest(&SHA256, action)).collect();
    let is_action = |event: &[u8]| actions.iter().any(|action| action.as_ref() == event);
    if let Some(other) =
        started.iter().find(|event| !is_action(event) && !programs.all().any(|known| known == event[..]))
    {
        return Err(format!("it started a program that is none of ours (SHA-256 {})", hex::encode(other)));
    }
    match started.iter().any(|event| programs.agent == event[..]) {
        true => Ok(()),
        false => Err("it did not start the agent's program".into()),
    }
}

/// What matters of an attestation.
struct Attested<'a> {
    bound_to: &'a [u8],
    /// Digest over the selected PCRs.
    pcrs: &'a [u8],
}

impl<'a> Attested<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        if (reader.u32()?, reader.u16()?) != (MAGIC, QUOTE) {
            return None;
        }
        // Who signs: it is known by the signature.
        reader.sized()?;
        let bound_to = reader.sized()?;
        // Clock, counters of resets and restarts, whether they are safe, version of the firmware.
        reader.take(8 + 4 + 4 + 1 + 8)?;
        let is_of_pcrs = (reader.u32()?, reader.u16()?) == (1, ALG_SHA256) && reader.short()? == PCRS;
        let pcrs = reader.sized()?;
        (is_of_pcrs && reader.0.is_empty()).then_some(Self { bound_to, pcrs })
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    fn sized(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(length.into())
    }

    fn short(&mut self) -> Option<&'a [u8]> {
        let length = *self.take(1)?.first()?;
        self.take(length.into())
    }
}
