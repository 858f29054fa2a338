//! TFTP packets as bytes (RFC 1350 section 5, RFC 2347).
//!
//! Invariant: any bytes give a packet or an error; names and options are bounded by the datagram.

use std::str;

/// The longest request that is read; RFC 2347 limits a request to 512 bytes.
pub const MAX_REQUEST: usize = 512;
const MAX_OPTIONS: usize = 16;

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// RRQ.
    Read(Read),
    /// WRQ, which is always refused.
    Write,
    /// ACK of a block.
    Ack(u16),
    /// ERROR: the client gives up, with this code.
    Error(u16),
}

/// A read request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The file's name, as sent but for a leading slash.
    pub name: String,
    /// `octet`, `netascii` or `mail`, lower case.
    pub mode: String,
    /// Options in the order sent, names in lower case.
    pub options: Vec<(String, String)>,
}

/// Why a datagram is no packet of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Too short, or an opcode that clients do not send.
    #[error("not a packet that a client sends")]
    Opcode,
    /// Strings that are not ASCII or not terminated, or too many of them.
    #[error("a request that cannot be read")]
    Strings,
}

/// Error codes of RFC 1350 and RFC 2347.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Not defined, see the message.
    Other = 0,
    /// File not found.
    NotFound = 1,
    /// Access violation.
    Access = 2,
    /// Illegal operation.
    Illegal = 4,
}

impl Packet {
    /// Reads a datagram.
    pub fn parse(datagram: &[u8]) -> Result<Self, Malformed> {
        let (&opcode, body) = datagram.split_first_chunk::<2>().ok_or(Malformed::Opcode)?;
        match u16::from_be_bytes(opcode) {
            1 => read(body).map(Self::Read),
            2 => Ok(Self::Write),
            4 => number(body).map(Self::Ack),
            5 => number(body).map(Self::Error),
            _ => Err(Malformed::Opcode),
        }
    }
}

fn number(body: &[u8]) -> Result<u16, Malformed> {
    body.first_chunk::<2>().map(|bytes| u16::from_be_bytes(*bytes)).ok_or(Malformed::Opcode)
}

/// Strings each ended by a zero; some firmware pads its request with more zeros.
fn read(body: &[u8]) -> Result<Read, Malformed> {
    let text = body.strip_suffix(&[0]).ok_or(Malformed::Strings)?;
    let mut strings = text.split(|byte| *byte == 0).map(ascii);
    let mut next = || strings.next().ok_or(Malformed::Strings)?;
    let name = next()?;
    let mode = next()?.to_ascii_lowercase();
    let mut options = Vec::new();
    while let Some(option) = strings.next().transpose()?.filter(|option| !option.is_empty()) {
        let value = strings.next().ok_or(Malformed::Strings)??;
        if options.len() == MAX_OPTIONS {
            return Err(Malformed::Strings);
        }
        options.push((option.to_ascii_lowercase(), value.to_owned()));
    }
    match name.strip_prefix('/').unwrap_or(name) {
        "" => Err(Malformed::Strings),
        name => Ok(Read { name: name.to_owned(), mode, options }),
    }
}

fn ascii(bytes: &[u8]) -> Result<&str, Malformed> {
    let printable = bytes.iter().all(|byte| matches!(byte, b' '..=b'~'));
    str::from_utf8(bytes).ok().filter(|_| printable).ok_or(Malformed::Strings)
}

/// The four bytes before a block's content.
pub fn data_header(block: u16) -> [u8; 4] {
    let [high, low] = block.to_be_bytes();
    [0, 3, high, low]
}

/// An ERROR packet.
pub fn error(code: Code, message: &str) -> Vec<u8> {
    let mut packet = vec![0, 5, 0, code as u8];
    packet.extend(message.bytes().filter(|byte| *byte != 0));
    packet.push(0);
    packet
}

/// An OACK packet.
pub fn option_ack(options: &[(&'static str, u64)]) -> Vec<u8> {
    let mut packet = vec![0, 6];
    for (name, value) in options {
        packet.extend(format!("{name}\0{value}\0").bytes());
    }
    packet
}
