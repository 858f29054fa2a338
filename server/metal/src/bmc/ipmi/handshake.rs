//! The messages that open a session (sections 13.17 to 13.24): which suite, who we are, and the proof on both sides that
//! the password is known, which is never sent.
//!
//! Whoever asks for a session gets a hash that a weak password can be guessed from; so it is with IPMI. The BMC's proof is
//! checked before ours is sent, and a BMC that chooses other algorithms than those proposed is not spoken to.

use super::{
    packet::{Bytes, Flaw},
    suite::{Keys, Suite, is_same},
};

/// Operator: enough for power, boot and FRU, and no more than that is asked for.
pub(super) const OPERATOR: u8 = 3;
/// The role of RAKP: the name alone says who it is.
const ROLE: u8 = 0x10 | OPERATOR;

/// What a message of the handshake came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard<T> {
    /// The answer.
    Answer(T),
    /// A status other than "no errors".
    Refused(u8),
    /// The hash does not prove what it is to prove.
    Unproved,
}

/// One side's part of a handshake.
pub(super) struct Handshake<'a> {
    pub(super) suite: Suite,
    pub(super) user: &'a [u8],
    pub(super) password: &'a [u8],
    /// What we call the session.
    pub(super) ours: u32,
    /// Our random number.
    pub(super) random: [u8; 16],
}

/// The BMC's part, as RAKP message 2 tells it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Peer {
    /// What it calls the session.
    pub(super) theirs: u32,
    random: [u8; 16],
    guid: [u8; 16],
}

impl Handshake<'_> {
    /// "We would like a session."
    pub(super) fn open(&self) -> Vec<u8> {
        let mut message = vec![0, OPERATOR, 0, 0];
        message.extend(self.ours.to_le_bytes());
        for (kind, algorithm) in (0..).zip(self.suite.algorithms()) {
            message.extend([kind, 0, 0, 8, algorithm, 0, 0, 0]);
        }
        message
    }

    /// What the BMC calls the session.
    pub(super) fn opened(&self, message: &[u8]) -> Result<Heard<u32>, Flaw> {
        let Some(mut bytes) = self.begun(message)? else { return Ok(Heard::Refused(status(message))) };
        let theirs = bytes.number()?;
        for (kind, algorithm) in (0..).zip(self.suite.algorithms()) {
            let chosen: [u8; 8] = bytes.array()?;
            let [found_kind, _, _, _, found, ..] = chosen;
            if (found_kind, found & 0x3f) != (kind, algorithm) {
                return Err("it chose other algorithms than were proposed");
            }
        }
        if theirs == 0 { Err("it gives the session no number") } else { Ok(Heard::Answer(theirs)) }
    }

    /// "This is who we are."
    pub(super) fn introduce(&self, theirs: u32) -> Vec<u8> {
        let mut message = vec![0, 0, 0, 0];
        message.extend(theirs.to_le_bytes());
        message.extend(self.random);
        message.extend([ROLE, 0, 0, self.user_size()]);
        message.extend(self.user);
        message
    }

    /// The BMC's proof.
    pub(super) fn introduced(&self, theirs: u32, message: &[u8]) -> Result<Heard<Peer>, Flaw> {
        let Some(mut bytes) = self.begun(message)? else { return Ok(Heard::Refused(status(message))) };
        let peer = Peer { theirs, random: bytes.array()?, guid: bytes.array()? };
        let expected = self.suite.hash_of(
            self.password,
            &[
                &self.ours.to_le_bytes(),
                &theirs.to_le_bytes(),
                &self.random,
                &peer.random,
                &peer.guid,
                &[ROLE, self.user_size()],
                self.user,
            ],
        );
        Ok(if is_same(&expected, bytes.0) { Heard::Answer(peer) } else { Heard::Unproved })
    }

    /// Our proof.
    pub(super) fn prove(&self, peer: &Peer) -> Vec<u8> {
        let mut message = vec![0, 0, 0, 0];
        message.extend(peer.theirs.to_le_bytes());
        let ours = self.ours.to_le_bytes();
        message.extend(
            self.suite.hash_of(self.password, &[&peer.random, &ours, &[ROLE, self.user_size()], self.user]),
        );
        message
    }

    /// That the BMC's proof is none: it need not wait for ours.
    pub(super) fn reject(theirs: u32) -> Vec<u8> {
        const INVALID_INTEGRITY_CHECK: u8 = 0x0f;
        let mut message = vec![0, INVALID_INTEGRITY_CHECK, 0, 0];
        message.extend(theirs.to_le_bytes());
        message
    }

    /// The keys, if the BMC has come to the same.
    pub(super) fn proved(&self, peer: &Peer, message: &[u8]) -> Result<Heard<Keys>, Flaw> {
        let Some(bytes) = self.begun(message)? else { return Ok(Heard::Refused(status(message))) };
        let integrity = self.integrity(peer);
        let mut expected =
            self.suite.hash_of(&integrity, &[&self.random, &peer.theirs.to_le_bytes(), &peer.guid]);
        expected.truncate(self.suite.seal_size());
        let keys = Keys::new(self.suite, &integrity);
        Ok(if is_same(&expected, bytes.0) { Heard::Answer(keys) } else { Heard::Unproved })
    }

    /// The session integrity key (section 13.31), with the user's password for the BMC's key.
    fn integrity(&self, peer: &Peer) -> Vec<u8> {
        self.suite.hash_of(self.password, &[&self.random, &peer.random, &[ROLE, self.user_size()], self.user])
    }

    /// What follows tag, status and our name of the session; `None` where the status is not "no errors", whatever
    /// follows then.
    fn begun<'m>(&self, message: &'m [u8]) -> Result<Option<Bytes<'m>>, Flaw> {
        let mut bytes = Bytes(message);
        let [tag, status] = bytes.array()?;
        if tag != 0 {
            return Err("it answers something else");
        }
        if status != 0 {
            return Ok(None);
        }
        let _privilege_or_reserved: [u8; 2] = bytes.array()?;
        if bytes.number()? != self.ours {
            return Err("it is of another session");
        }
        Ok(Some(bytes))
    }

    fn user_size(&self) -> u8 {
        u8::try_from(self.user.len()).unwrap_or(u8::MAX)
    }
}

fn status(message: &[u8]) -> u8 {
    message.get(1).copied().unwrap_or_default()
}
