//! What goes over the wire: RMCP header, session header and trailer (section 13.6), and the IPMI message within
//! (section 13.8).
//!
//! Reading never panics and never trusts a length: what is not just so is a flaw, and the packet is none.

use super::suite::{BLOCK, Keys, is_same};

/// RMCP version 1.0, no acknowledgement wanted, class IPMI.
const RMCP: [u8; 4] = [6, 0, 0xff, 7];
/// The session header is that of RMCP+.
const RMCP_PLUS: u8 = 6;
/// The bits of the payload type: hidden and sealed.
const PROTECTED: u8 = 0xc0;
/// What comes before the seal.
const NEXT_HEADER: u8 = 7;
/// The BMC's own address, and that of software elsewhere.
const BMC: u8 = 0x20;
const CONSOLE: u8 = 0x81;

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An IPMI message.
    Message = 0x00,
    /// We would like a session.
    Open = 0x10,
    /// The BMC's answer to that.
    Opened = 0x11,
    /// Who we are.
    Rakp1 = 0x12,
    /// The BMC's proof that it knows the password.
    Rakp2 = 0x13,
    /// Our proof of the same.
    Rakp3 = 0x14,
    /// That it believes us.
    Rakp4 = 0x15,
}

/// Why something that was received is not counted.
pub(super) type Flaw = &'static str;

/// Takes bytes from the front of a slice.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or("it is cut short")?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Flaw> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn number(&mut self) -> Result<u32, Flaw> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Flaw> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or("it is cut short")?;
        self.0 = rest;
        Ok(taken)
    }
}

/// A packet outside of any session.
pub(super) fn open(kind: Kind, payload: &[u8]) -> Vec<u8> {
    let mut packet = RMCP.to_vec();
    packet.extend([RMCP_PLUS, kind as u8, 0, 0, 0, 0, 0, 0, 0, 0]);
    packet.extend(length(payload));
    packet.extend(payload);
    packet
}

/// The payload of a packet outside of any session.
///
/// # Errors
/// It is none, or carries something else.
pub(super) fn read_open(packet: &[u8], kind: Kind) -> Result<&[u8], Flaw> {
    let mut bytes = Bytes(packet);
    if bytes.array()? != RMCP || bytes.byte()? != RMCP_PLUS {
        return Err("it is not RMCP+");
    }
    if bytes.byte()? != kind as u8 {
        return Err("it carries something else");
    }
    if bytes.number()? != 0 || bytes.number()? != 0 {
        return Err("it is of a session that is not open yet");
    }
    let size = u16::from_le_bytes(bytes.array()?);
    let payload = bytes.take(size.into())?;
    if bytes.0.is_empty() { Ok(payload) } else { Err("it is longer than it says") }
}

/// A message in a session: hidden, then sealed.
pub(super) fn sealed(keys: &Keys, session: u32, sequence: u32, message: &[u8], iv: [u8; BLOCK]) -> Vec<u8> {
    let payload = keys.hide(message, iv);
    let mut covered = vec![RMCP_PLUS, PROTECTED | Kind::Message as u8];
    covered.extend(session.to_le_bytes());
    covered.extend(sequence.to_le_bytes());
    covered.extend(length(&payload));
    covered.extend(payload);
    // What is sealed has whole words, pad length and next header included.
    let pad = (4 - (covered.len() + 2) % 4) % 4;
    covered.extend(std::iter::repeat_n(0xff, pad));
    covered.extend([u8::try_from(pad).unwrap_or_default(), NEXT_HEADER]);
    let seal = keys.seal(&covered);
    [RMCP.as_slice(), &covered, &seal].concat()
}

/// A message of a session, and its place in the order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsealed {
    /// Which session, as its receiver counts them.
    pub(super) session: u32,
    /// Counts up from 1 for each packet sent.
    pub(super) sequence: u32,
    /// The IPMI message.
    pub(super) message: Vec<u8>,
}

/// Read a packet of a session; nothing of it is looked at before its seal holds.
///
/// # Errors
/// It is not sealed with these keys, or not well formed.
pub(super) fn unseal(keys: &Keys, packet: &[u8]) -> Result<Unsealed, Flaw> {
    let mut bytes = Bytes(packet);
    if bytes.array()? != RMCP {
        return Err("it is not IPMI");
    }
    let size = bytes.0.len().checked_sub(keys.seal_size()).ok_or("it is cut short")?;
    let covered = bytes.take(size)?;
    if !is_same(&keys.seal(covered), bytes.0) {
        return Err("its seal is not that of this session");
    }
    let mut bytes = Bytes(covered);
    if bytes.array()? != [RMCP_PLUS, PROTECTED | Kind::Message as u8] {
        return Err("it carries something else");
    }
    let (session, sequence) = (bytes.number()?, bytes.number()?);
    let size = u16::from_le_bytes(bytes.array()?);
    let hidden = bytes.take(size.into())?;
    let (pad, trailer) = bytes.0.split_last_chunk::<2>().ok_or("it is cut short")?;
    if *trailer != [u8::try_from(pad.len()).unwrap_or(u8::MAX), NEXT_HEADER] {
        return Err("its trailer is wrong");
    }
    let message = keys.reveal(hidden).ok_or("what it hides does not open")?;
    Ok(Unsealed { session, sequence, message })
}

/// What is asked of a BMC.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    /// The function's family; even.
    pub(super) family: u8,
    /// The command in it.
    pub(super) command: u8,
    /// What it is told.
    pub(super) data: &'a [u8],
}

/// A BMC's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// 0 where it did what it was asked.
    pub(super) completion: u8,
    /// What it says.
    pub(super) data: Vec<u8>,
}

/// A request as a message; `sequence` has six bits.
pub(super) fn message(request: Request<'_>, sequence: u8) -> Vec<u8> {
    let to = [BMC, request.family << 2];
    let mut from = vec![CONSOLE, sequence << 2, request.command];
    from.extend(request.data);
    let (first, second) = (checksum(&to), checksum(&from));
    [to.as_slice(), &[first], &from, &[second]].concat()
}

/// Read a message as the answer to `request`.
///
/// # Errors
/// It is spoilt, or answers something else.
pub(super) fn answer(message: &[u8], request: Request<'_>, sequence: u8) -> Result<Answer, Flaw> {
    let mut bytes = Bytes(message);
    let to: [u8; 2] = bytes.array()?;
    if bytes.byte()? != checksum(&to) {
        return Err("its first checksum is wrong");
    }
    let (last, from) = bytes.0.split_last().ok_or("it is cut short")?;
    if *last != checksum(from) {
        return Err("its second checksum is wrong");
    }
    let mut bytes = Bytes(from);
    let head: [u8; 3] = bytes.array()?;
    let completion = bytes.byte()?;
    let expected = ([CONSOLE, (request.family | 1) << 2], [BMC, sequence << 2, request.command]);
    if (to, head) != expected {
        return Err("it answers something else");
    }
    Ok(Answer { completion, data: bytes.0.to_vec() })
}

/// Two's complement of the sum (section 13.8).
pub(super) fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)).wrapping_neg()
}

fn length(payload: &[u8]) -> [u8; 2] {
    u16::try_from(payload.len()).unwrap_or(u16::MAX).to_le_bytes()
}
