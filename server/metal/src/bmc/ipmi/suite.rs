//! Cipher suites 3 and 17 (table 22-20): what proves who speaks, and what hides and seals a payload.
//!
//! Others are not offered: they leave out the one or the other.

use aes::Aes128;
use cbc::{
    Decryptor, Encryptor,
    cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, block_padding::NoPadding},
};
use ring::hmac;
use subtle::ConstantTimeEq;

/// The block of AES, and the length of an initialisation vector.
pub(super) const BLOCK: usize = 16;

/// A cipher suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suite {
    /// RAKP-HMAC-SHA1, HMAC-SHA1-96, AES-CBC-128.
    Three,
    /// RAKP-HMAC-SHA256, HMAC-SHA256-128, AES-CBC-128.
    Seventeen,
}

impl Suite {
    /// Its number.
    pub(super) fn number(self) -> u8 {
        match self {
            Suite::Three => 3,
            Suite::Seventeen => 17,
        }
    }

    /// The suite of that number, if it is one of ours.
    pub(super) fn numbered(number: u8) -> Option<Self> {
        [Suite::Three, Suite::Seventeen].into_iter().find(|suite| suite.number() == number)
    }

    /// The numbers of its algorithms for authentication, integrity and confidentiality (tables 13-17 to 13-19).
    pub(super) fn algorithms(self) -> [u8; 3] {
        match self {
            Suite::Three => [1, 1, 1],
            Suite::Seventeen => [3, 4, 1],
        }
    }

    fn hash(self) -> hmac::Algorithm {
        match self {
            Suite::Three => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Suite::Seventeen => hmac::HMAC_SHA256,
        }
    }

    /// How much of a hash seals a packet and ends the handshake.
    pub(super) fn seal_size(self) -> usize {
        match self {
            Suite::Three => 12,
            Suite::Seventeen => 16,
        }
    }

    /// The keyed hash of these parts, one after the other.
    pub(super) fn hash_of(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&hmac::Key::new(self.hash(), key));
        for part in parts {
            context.update(part);
        }
        context.sign().as_ref().to_vec()
    }
}

/// Are they the same? Takes as long whatever the difference.
pub(super) fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

/// The keys of a session (section 13.32).
pub(super) struct Keys {
    suite: Suite,
    seal: Vec<u8>,
    hide: [u8; BLOCK],
}

impl Keys {
    /// From the session integrity key.
    pub(super) fn new(suite: Suite, integrity: &[u8]) -> Self {
        let seal = suite.hash_of(integrity, &[&[1; 20]]);
        let second = suite.hash_of(integrity, &[&[2; 20]]);
        let mut hide = [0; BLOCK];
        for (to, from) in hide.iter_mut().zip(second) {
            *to = from;
        }
        Self { suite, seal, hide }
    }

    /// How long a seal is.
    pub(super) fn seal_size(&self) -> usize {
        self.suite.seal_size()
    }

    /// What proves that `bytes` are as they were sent.
    pub(super) fn seal(&self, bytes: &[u8]) -> Vec<u8> {
        let mut seal = self.suite.hash_of(&self.seal, &[bytes]);
        seal.truncate(self.seal_size());
        seal
    }

    /// `payload` hidden: the initialisation vector, then whole blocks (section 13.29).
    pub(super) fn hide(&self, payload: &[u8], iv: [u8; BLOCK]) -> Vec<u8> {
        let pad = (BLOCK - (payload.len() + 1) % BLOCK) % BLOCK;
        let mut plain = payload.to_vec();
        plain.extend((1..).take(pad));
        plain.push(u8::try_from(pad).unwrap_or_default());
        let hidden = Encryptor::<Aes128>::new(&self.hide.into(), &iv.into());
        let hidden = hidden.encrypt_padded_vec::<NoPadding>(&plain);
        [iv.as_slice(), &hidden].concat()
    }

    /// What [`Keys::hide`] made of it; `None` for what it never makes.
    pub(super) fn reveal(&self, hidden: &[u8]) -> Option<Vec<u8>> {
        let (iv, blocks) = hidden.split_first_chunk::<BLOCK>()?;
        let plain = Decryptor::<Aes128>::new(&self.hide.into(), &(*iv).into());
        let mut plain = plain.decrypt_padded_vec::<NoPadding>(blocks).ok()?;
        let pad = usize::from(plain.pop()?);
        let end = plain.len().checked_sub(pad).filter(|_| pad < BLOCK)?;
        plain
            .split_off(end)
            .into_iter()
            .zip(1..)
            .all(|(found, expected): (u8, u8)| found == expected)
            .then_some(plain)
    }
}
