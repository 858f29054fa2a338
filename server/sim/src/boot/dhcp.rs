//! DHCP as a machine's firmware asks it (RFC 2131, RFC 4578), through the rack's own relay (RFC 1542, RFC 3046): the
//! relay puts its address and the machine's place into each packet, sends it to the server by unicast, and hands the
//! answers back by their transaction id.
//!
//! The relay listens on port 67 of its address, which needs a network namespace or an address nobody else uses.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use dhcproto::{
    Decodable, Decoder, Encodable,
    v4::{
        Architecture, DhcpOption, HType, Message, MessageType, Opcode, OptionCode,
        relay::{RelayAgentInformation, RelayInfo},
    },
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{net::UdpSocket, sync::mpsc, time::timeout};

use super::Method;
use crate::{dice, machine::Life};

/// How often a packet is sent, each time waiting twice as long as before (RFC 2131, 4.1).
const TRIES: u32 = 4;
const FIRST: Duration = Duration::from_secs(1);
/// The longest answer.
const LONGEST: usize = 4096;
const PORT: u16 = 67;

/// No address, or no boot file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The relay has no socket.
    #[error("the rack's relay cannot listen on {address}:{PORT}")]
    Relay {
        /// The relay's address.
        address: IpAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The packet cannot be sent.
    #[error("the relay cannot send")]
    Send(#[source] io::Error),
    /// Our own packet cannot be written.
    #[error("the packet cannot be written")]
    Encode(#[source] dhcproto::error::EncodeError),
    /// Nobody answers.
    #[error("nobody answers the {0}")]
    Silent(&'static str),
    /// The server says no.
    #[error("the server refuses the address it offered")]
    Refused,
    /// There is nothing to boot in the answer.
    #[error("the answer names nothing to boot")]
    NoBootFile,
}

/// Which program asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The firmware.
    Firmware,
    /// iPXE.
    Ipxe,
}

/// What was acknowledged.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The machine's address.
    pub address: Ipv4Addr,
    next_server: Ipv4Addr,
    file: String,
}

impl Lease {
    /// The loader's TFTP server and name, where one is named.
    pub fn loader(&self) -> Option<(SocketAddr, String)> {
        let named = !self.file.is_empty() && !self.file.contains("://") && !self.next_server.is_unspecified();
        named.then(|| (SocketAddr::from((self.next_server, 69)), self.file.clone()))
    }

    /// The URL of a loader or a script, where one is named.
    pub fn url(&self) -> Option<String> {
        self.file.starts_with("http://").then(|| self.file.clone())
    }
}

/// A rack's relay.
#[derive(Debug)]
pub struct Relay {
    socket: UdpSocket,
    address: Ipv4Addr,
    waiting: Mutex<HashMap<u32, mpsc::Sender<Message>>>,
}

impl Relay {
    /// One at `address`.
    ///
    /// # Errors
    /// Its port cannot be had.
    pub async fn start(address: IpAddr) -> Result<Arc<Self>, Error> {
        let failed = |source| Error::Relay { address, source };
        let IpAddr::V4(own) = address else { return Err(failed(io::ErrorKind::Unsupported.into())) };
        let socket = bind(own).map_err(failed)?;
        let relay = Arc::new(Self { socket, address: own, waiting: Mutex::default() });
        let weak = Arc::downgrade(&relay);
        tokio::spawn(async move {
            let mut buffer = vec![0; LONGEST];
            while let Some(relay) = weak.upgrade() {
                // Woken now and then, so that a rack that is gone takes its relay with it.
                let Ok(received) = timeout(FIRST, relay.socket.recv_from(&mut buffer)).await else {
                    continue;
                };
                if let Ok((length, _)) = received {
                    relay.hand_back(buffer.get(..length).unwrap_or_default());
                }
            }
        });
        Ok(relay)
    }

    fn hand_back(&self, bytes: &[u8]) {
        let Ok(message) = Message::decode(&mut Decoder::new(bytes)) else { return };
        if message.opcode() != Opcode::BootReply {
            return;
        }
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(machine) = waiting.get(&message.xid()) {
            // A machine that has enough answers takes no more.
            let _ = machine.try_send(message);
        }
    }
}

/// The relay's socket. A DHCP server on this machine may have the port on all addresses already: what is sent to this one
/// still comes here.
fn bind(own: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((own, PORT)).into())?;
    UdpSocket::from_std(socket.into())
}

/// Discover, offer, request, acknowledgement.
///
/// # Errors
/// See [`Error`].
pub async fn ask(life: &Life, server: SocketAddr, method: Method, program: Program) -> Result<Lease, Error> {
    let relay = life.rack.relay().await?;
    let boots = u64::from(life.machine.state().boots);
    let words = [u64::from(life.machine.index), boots, program as u64, 0x0067];
    let [a, b, c, d, ..] = dice::throw(life.rack.spec.seed, &words).to_be_bytes();
    let xid = u32::from_be_bytes([a, b, c, d]);
    let (sender, mut answers) = mpsc::channel(4);
    relay.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(xid, sender);
    let asked = Asking { life, relay: &relay, server, method, program, xid };
    let result = asked.run(&mut answers).await;
    relay.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&xid);
    result
}

struct Asking<'a> {
    life: &'a Life,
    relay: &'a Relay,
    server: SocketAddr,
    method: Method,
    program: Program,
    xid: u32,
}

impl Asking<'_> {
    async fn run(&self, answers: &mut mpsc::Receiver<Message>) -> Result<Lease, Error> {
        let offer = self.exchange(&[], MessageType::Discover, answers).await?;
        let address = offer.yiaddr();
        let mut chosen = vec![DhcpOption::RequestedIpAddress(address)];
        chosen.extend(offer.opts().get(OptionCode::ServerIdentifier).cloned());
        let granted = self.exchange(&chosen, MessageType::Request, answers).await?;
        if granted.opts().msg_type() == Some(MessageType::Nak) {
            return Err(Error::Refused);
        }
        let file = match granted.opts().get(OptionCode::BootfileName) {
            Some(DhcpOption::BootfileName(name)) => String::from_utf8_lossy(name).into_owned(),
            _ => granted.fname_str().and_then(Result::ok).unwrap_or_default().to_owned(),
        };
        let file = file.trim_end_matches('\0').to_owned();
        Ok(Lease { address: granted.yiaddr(), next_server: granted.siaddr(), file })
    }

    /// Sends until an answer of the right kind comes.
    async fn exchange(
        &self,
        more: &[DhcpOption],
        kind: MessageType,
        answers: &mut mpsc::Receiver<Message>,
    ) -> Result<Message, Error> {
        let packet = self.packet(more, kind)?;
        let (word, wanted): (_, fn(MessageType) -> bool) = match kind {
            MessageType::Discover => ("discover", |kind| kind == MessageType::Offer),
            _ => ("request", |kind| matches!(kind, MessageType::Ack | MessageType::Nak)),
        };
        for attempt in 0..TRIES {
            if self.gets_through(kind, attempt) {
                self.relay.socket.send_to(&packet, self.server).await.map_err(Error::Send)?;
            }
            let answer = timeout(FIRST * (1 << attempt), async {
                loop {
                    match answers.recv().await {
                        Some(answer) if answer.opts().msg_type().is_some_and(wanted) => return Some(answer),
                        Some(_) => {}
                        None => return None,
                    }
                }
            });
            if let Ok(Some(answer)) = answer.await {
                return Ok(answer);
            }
        }
        Err(Error::Silent(word))
    }

    /// Does the link let this one through?
    fn gets_through(&self, kind: MessageType, attempt: u32) -> bool {
        let link = self.life.rack.faults.link(&self.life.machine);
        let throw = dice::throw(self.xid.into(), &[u64::from(u8::from(kind)), u64::from(attempt)]);
        !link.dead && !dice::happens(link.loss, throw)
    }

    fn packet(&self, more: &[DhcpOption], kind: MessageType) -> Result<Vec<u8>, Error> {
        let hardware = self.life.machine.hardware();
        let legacy = self.life.machine.state().boot.mode == "Legacy";
        let (class, arch) = match (self.method, legacy) {
            (Method::Http, _) => ("HTTPClient", 16),
            (Method::Pxe, true) => ("PXEClient", 0),
            (Method::Pxe, false) => ("PXEClient", 7),
        };
        let mut message = Message::default();
        message
            .set_opcode(Opcode::BootRequest)
            .set_htype(HType::Eth)
            .set_hops(1)
            .set_xid(self.xid)
            .set_giaddr(self.relay.address)
            .set_chaddr(&hardware.boot_mac().0);
        let mut machine_id = vec![0];
        machine_id.extend_from_slice(&hardware.uuid.to_bytes_le());
        let wishes = [1, 3, 6, 15, 43, 60, 66, 67].map(OptionCode::from);
        let mut place = RelayAgentInformation::default();
        place.insert(RelayInfo::AgentCircuitId(hardware.name.clone().into_bytes()));
        let options = message.opts_mut();
        options.insert(DhcpOption::MessageType(kind));
        options.insert(DhcpOption::MaxMessageSize(1472));
        options.insert(DhcpOption::ParameterRequestList(wishes.to_vec()));
        options
            .insert(DhcpOption::ClassIdentifier(format!("{class}:Arch:{arch:05}:UNDI:003016").into_bytes()));
        options.insert(DhcpOption::ClientSystemArchitecture(Architecture::from(arch)));
        options.insert(DhcpOption::ClientMachineIdentifier(machine_id));
        if self.program == Program::Ipxe {
            options.insert(DhcpOption::UserClass(b"iPXE".to_vec()));
        }
        for option in more {
            options.insert(option.clone());
        }
        options.insert(DhcpOption::RelayAgentInformation(place));
        message.to_vec().map_err(Error::Encode)
    }
}
