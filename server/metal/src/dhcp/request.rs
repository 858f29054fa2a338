//! One datagram read as a DHCP request: the fields a decision needs, checked, and nothing else.
//!
//! Reads through dhcproto's lazy message because its eager one stops at the first option it dislikes and asserts on the
//! length of some. Options in an overloaded `file` or `sname` field (option 52) are not read: no firmware sends them.
//! Invariant: any bytes give a request or an error, and what a reply echoes (options 61, 82, 97) is bounded.

use std::net::Ipv4Addr;

use dhcproto::v4::{HType, MessageType, Opcode, OptionCode, borrowed};
use underlay_core::Mac;

use super::client::{Arch, Program};

/// The largest datagram read; requests of real clients stay below 1,500 bytes.
pub const MAX_REQUEST: usize = 2048;
const MIN_REQUEST: usize = 240;
const MAX_HOPS: u8 = 16;
/// A DUID is at most 130 bytes (RFC 8415), behind 5 bytes of type and IAID (RFC 4361).
const MAX_CLIENT_ID: usize = 135;
const MAX_UUID: usize = 17;
const MAX_VENDOR_CLASS: usize = 64;
const MAX_HOSTNAME: usize = 63;

/// Why a datagram is not a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Shorter than the fixed part of a message, or longer than any real request.
    #[error("{0} bytes is no DHCP message")]
    Size(usize),
    /// Not a BOOTREQUEST, or without the magic cookie.
    #[error("not a DHCP request")]
    NotARequest,
    /// Not Ethernet with a unicast address.
    #[error("the hardware address is not a unicast Ethernet address")]
    Hardware,
    /// Without a message type, or one that only servers send.
    #[error("no message type that a client sends")]
    MessageType,
    /// More relays than RFC 1542 allows.
    #[error("more than {MAX_HOPS} hops")]
    Hops,
}

/// What the client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Wish {
    Discover,
    Request,
    Decline,
    Release,
    Inform,
}

impl Wish {
    /// The word used in logs and observations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::Request => "request",
            Self::Decline => "decline",
            Self::Release => "release",
            Self::Inform => "inform",
        }
    }
}

/// What a relay said in option 82 (RFC 3046).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relay {
    /// The whole option, echoed byte for byte.
    pub raw: Vec<u8>,
    /// The network the client is on, where it differs from the relay's own address (RFC 3527).
    pub link: Option<Ipv4Addr>,
    /// The server identifier the client is to see (RFC 5107).
    pub server: Option<Ipv4Addr>,
}

/// A request as a client sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What the client wants.
    pub wish: Wish,
    /// Its hardware address, which is its identity here: firmware, iPXE, agent and installed system send different
    /// client identifiers, and are to get one address.
    pub mac: Mac,
    /// Transaction id.
    pub xid: u32,
    /// Seconds since it began to ask.
    pub secs: u16,
    /// All sixteen flags; the highest asks for a broadcast.
    pub flags: u16,
    /// The address it uses, if it does.
    pub ciaddr: Ipv4Addr,
    /// The relay that forwarded it, if one did.
    pub giaddr: Ipv4Addr,
    /// Option 50.
    pub requested: Option<Ipv4Addr>,
    /// Option 54: the server it has chosen.
    pub server: Option<Ipv4Addr>,
    /// Option 55.
    pub wanted: Vec<u8>,
    /// Option 61, echoed (RFC 6842).
    pub client_id: Option<Vec<u8>>,
    /// Option 82, echoed.
    pub relay: Option<Relay>,
    /// Option 93.
    pub arch: Option<Arch>,
    /// Option 97, echoed.
    pub uuid: Option<Vec<u8>>,
    /// Which program asks.
    pub program: Program,
    /// Option 60, cut to 64 characters of printable ASCII.
    pub vendor_class: Option<String>,
    /// Option 12, cut to 63 characters of printable ASCII.
    pub hostname: Option<String>,
    /// Suboption 71 of option 43: the PXE boot item chosen on port 4011.
    pub boot_item: Option<[u8; 4]>,
}

impl Request {
    /// Reads a datagram.
    pub fn parse(datagram: &[u8]) -> Result<Self, Malformed> {
        let size = datagram.len();
        if !(MIN_REQUEST..=MAX_REQUEST).contains(&size) {
            return Err(Malformed::Size(size));
        }
        let message = borrowed::Message::new(datagram).map_err(|_| Malformed::Size(size))?;
        if message.opcode() != Opcode::BootRequest {
            return Err(Malformed::NotARequest);
        }
        if message.hops() > MAX_HOPS {
            return Err(Malformed::Hops);
        }
        if message.htype() != HType::Eth || message.hlen() != 6 {
            return Err(Malformed::Hardware);
        }
        let mac = message.chaddr().try_into().map(Mac).map_err(|_| Malformed::Hardware)?;
        if !mac.is_unicast() {
            return Err(Malformed::Hardware);
        }
        let options = Options::read(message.opts());
        Ok(Self {
            wish: options.wish.ok_or(Malformed::MessageType)?,
            mac,
            xid: message.xid(),
            secs: message.secs(),
            flags: message.flags().into(),
            ciaddr: message.ciaddr(),
            giaddr: message.giaddr(),
            program: options.program(),
            requested: options.requested,
            server: options.server,
            wanted: options.wanted,
            client_id: options.client_id,
            relay: options.relay,
            arch: options.arch,
            uuid: options.uuid,
            vendor_class: printable(&options.vendor_class, MAX_VENDOR_CLASS),
            hostname: printable(&options.hostname, MAX_HOSTNAME),
            boot_item: options.boot_item,
        })
    }

    /// True if the client asked for this option.
    pub fn wants(&self, code: OptionCode) -> bool {
        self.wanted.contains(&u8::from(code))
    }

    /// True if a relay forwarded it.
    pub fn is_relayed(&self) -> bool {
        !self.giaddr.is_unspecified()
    }
}

/// The options of a request as they are met; one that is malformed counts as absent.
#[derive(Default)]
struct Options {
    wish: Option<Wish>,
    requested: Option<Ipv4Addr>,
    server: Option<Ipv4Addr>,
    wanted: Vec<u8>,
    client_id: Option<Vec<u8>>,
    relay: Option<Relay>,
    arch: Option<Arch>,
    uuid: Option<Vec<u8>>,
    vendor_class: Vec<u8>,
    user_class: Vec<u8>,
    ipxe: Option<Vec<u8>>,
    hostname: Vec<u8>,
    boot_item: Option<[u8; 4]>,
}

/// iPXE's own options travel inside this one.
pub const IPXE_OPTIONS: u8 = 175;

impl Options {
    fn read(options: borrowed::DhcpOptionIterator<'_>) -> Self {
        let mut read = Self::default();
        for option in options {
            read.take(option.code(), option.data());
        }
        read
    }

    fn take(&mut self, code: OptionCode, data: &[u8]) {
        match code {
            OptionCode::MessageType => self.wish = wish(data),
            OptionCode::RequestedIpAddress => self.requested = address(data),
            OptionCode::ServerIdentifier => self.server = address(data),
            OptionCode::ParameterRequestList => self.wanted = bounded(data, 255).unwrap_or_default(),
            OptionCode::ClientIdentifier => self.client_id = bounded(data, MAX_CLIENT_ID),
            OptionCode::RelayAgentInformation => self.relay = relay(data),
            OptionCode::ClientSystemArchitecture => self.arch = arch(data),
            OptionCode::ClientMachineIdentifier => self.uuid = bounded(data, MAX_UUID),
            OptionCode::ClassIdentifier => self.vendor_class = data.to_vec(),
            OptionCode::UserClass => self.user_class = data.to_vec(),
            OptionCode::Hostname => self.hostname = data.to_vec(),
            OptionCode::VendorExtensions => self.boot_item = boot_item(data),
            OptionCode::Unknown(IPXE_OPTIONS) => self.ipxe = Some(data.to_vec()),
            _ => {}
        }
    }

    fn program(&self) -> Program {
        Program::from_options(&self.vendor_class, &self.user_class, self.ipxe.as_deref())
    }
}

fn wish(data: &[u8]) -> Option<Wish> {
    let &[code] = data else { return None };
    match MessageType::from(code) {
        MessageType::Discover => Some(Wish::Discover),
        MessageType::Request => Some(Wish::Request),
        MessageType::Decline => Some(Wish::Decline),
        MessageType::Release => Some(Wish::Release),
        MessageType::Inform => Some(Wish::Inform),
        _ => None,
    }
}

fn address(data: &[u8]) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = data.try_into().ok()?;
    Some(octets.into()).filter(|address: &Ipv4Addr| !address.is_unspecified())
}

/// Option 93 may list several; the first is the one that runs.
fn arch(data: &[u8]) -> Option<Arch> {
    let (&code, _) = data.split_first_chunk::<2>()?;
    Some(Arch::from_code(u16::from_be_bytes(code)))
}

fn bounded(data: &[u8], limit: usize) -> Option<Vec<u8>> {
    (1..=limit).contains(&data.len()).then(|| data.to_vec())
}

fn relay(data: &[u8]) -> Option<Relay> {
    let mut relay = Relay { raw: bounded(data, 255)?, ..Relay::default() };
    for (code, value) in Suboptions(data) {
        match code {
            5 => relay.link = address(value),
            11 => relay.server = address(value),
            _ => {}
        }
    }
    Some(relay)
}

fn boot_item(data: &[u8]) -> Option<[u8; 4]> {
    Suboptions(data).find(|(code, _)| *code == 71).and_then(|(_, value)| value.try_into().ok())
}

fn printable(data: &[u8], limit: usize) -> Option<String> {
    let text: String =
        data.iter().copied().take(limit).filter(|b| matches!(b, b' '..=b'~')).map(char::from).collect();
    (!text.is_empty()).then_some(text)
}

/// Code, length, value triples inside an option; ends at the first that is cut short.
struct Suboptions<'a>(&'a [u8]);

impl<'a> Iterator for Suboptions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[code, length], rest) = self.0.split_first_chunk::<2>()?;
        let (value, rest) = rest.split_at_checked(length.into())?;
        self.0 = rest;
        Some((code, value))
    }
}
