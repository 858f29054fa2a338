//! A session with one BMC over UDP: opened, asked in, closed.
//!
//! UDP loses packets, so each is sent again a few times, with pauses that grow; an answer is waited for no longer than
//! [`TRIES`] say together. A request that is sent again is a packet of its own with the same number in the message, so that
//! the BMC can tell. Packets that are not what is waited for are passed over, [`MOST_STRAYS`] of them for each try.
//! A session that is dropped is closed all the same, without waiting for an answer.

use std::{io, net::SocketAddr, time::Duration};

use ring::rand::{SecureRandom, SystemRandom};
use secrecy::ExposeSecret;
use tokio::{
    net::UdpSocket,
    time::{Instant, timeout_at},
};

use super::{
    super::Login,
    handshake::{Handshake, Heard, OPERATOR},
    packet::{self, Answer, Flaw, Kind, Request},
    suite::{BLOCK, Keys, Suite},
};

/// How long an answer is waited for before asking again: together less than a twelfth of what a call may take.
const TRIES: [Duration; 4] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(3)];
/// So many packets that are no answer are looked at for each try.
const MOST_STRAYS: usize = 64;
/// An IPMI message has at most some 270 bytes; what is longer is cut, and then is none.
const LARGEST: usize = 1024;
/// How long the end of a session is waited for.
const GOODBYE: [Duration; 2] = [Duration::from_millis(500); 2];

const APP: u8 = 6;
const SET_PRIVILEGE: u8 = 0x3b;
const CLOSE: u8 = 0x3c;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// Nothing came.
    Silent,
    /// The network says why nothing came.
    Network(io::Error),
    /// Something came, and none of it was an answer.
    Stray(Flaw),
    /// The handshake ended with this status.
    Status(u8),
    /// One side does not know the password.
    Unproved,
    /// The server has no random numbers.
    Random,
}

/// An open session.
pub(super) struct Session {
    socket: UdpSocket,
    keys: Keys,
    /// What we call it, and what the BMC does.
    ours: u32,
    theirs: u32,
    /// The number of the last packet sent, and of the last one taken.
    sent: u32,
    taken: u32,
    /// The number of the last request.
    asked: u8,
    is_open: bool,
}

impl Session {
    /// Open one at `address`.
    pub(super) async fn open(address: SocketAddr, login: &Login, suite: Suite) -> Result<Self, Fault> {
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
            SocketAddr::V6(_) => ([0_u16; 8], 0).into(),
        };
        let socket = UdpSocket::bind(any).await.map_err(Fault::Network)?;
        // From here on the kernel passes over what others send.
        socket.connect(address).await.map_err(Fault::Network)?;
        let hand = Handshake {
            suite,
            user: login.user.as_bytes(),
            password: login.password.expose_secret().as_bytes(),
            ours: u32::from_le_bytes(random()?).max(1),
            random: random()?,
        };
        let theirs = step(&socket, (Kind::Open, hand.open()), Kind::Opened, |m| hand.opened(m)).await?;
        let introduction = (Kind::Rakp1, hand.introduce(theirs));
        let peer = match step(&socket, introduction, Kind::Rakp2, |m| hand.introduced(theirs, m)).await {
            Err(Fault::Unproved) => {
                // It may give up the session now instead of in a minute.
                socket.send(&packet::open(Kind::Rakp3, &Handshake::reject(theirs))).await.ok();
                return Err(Fault::Unproved);
            }
            peer => peer?,
        };
        let proof = (Kind::Rakp3, hand.prove(&peer));
        let keys = step(&socket, proof, Kind::Rakp4, |m| hand.proved(&peer, m)).await?;
        let ours = hand.ours;
        let mut session = Self { socket, keys, ours, theirs, sent: 0, taken: 0, asked: 0, is_open: true };
        // A session begins with the rights of a user.
        let rights = session.ask(Request { family: APP, command: SET_PRIVILEGE, data: &[OPERATOR] }).await?;
        // 0Ah: the role is not allowed, in the words of the handshake.
        if rights.completion == 0 { Ok(session) } else { Err(Fault::Status(0x0a)) }
    }

    /// The BMC's answer to a request.
    pub(super) async fn ask(&mut self, request: Request<'_>) -> Result<Answer, Fault> {
        self.ask_within(&TRIES, request).await
    }

    async fn ask_within(&mut self, tries: &[Duration], request: Request<'_>) -> Result<Answer, Fault> {
        self.asked = self.asked.wrapping_add(1) & 0x3f;
        let mut flaw = None;
        for patience in tries {
            let packet = self.next(request)?;
            self.socket.send(&packet).await.map_err(Fault::Network)?;
            let until = Instant::now() + *patience;
            for _ in 0..MOST_STRAYS {
                let Some(packet) = receive(&self.socket, until).await? else { break };
                match self.take(&packet, request) {
                    Ok(answer) => return Ok(answer),
                    Err(why) => flaw = Some(why),
                }
            }
        }
        Err(flaw.map_or(Fault::Silent, Fault::Stray))
    }

    /// The next packet of the session, with this request.
    fn next(&mut self, request: Request<'_>) -> Result<Vec<u8>, Fault> {
        // A session has a few dozen packets.
        self.sent = self.sent.checked_add(1).ok_or(Fault::Stray("the session has lasted too long"))?;
        let message = packet::message(request, self.asked);
        Ok(packet::sealed(&self.keys, self.theirs, self.sent, &message, random::<BLOCK>()?))
    }

    fn take(&mut self, packet: &[u8], request: Request<'_>) -> Result<Answer, Flaw> {
        let unsealed = packet::unseal(&self.keys, packet)?;
        if unsealed.session != self.ours {
            return Err("it is of another session");
        }
        if unsealed.sequence <= self.taken {
            return Err("it was sent before");
        }
        self.taken = unsealed.sequence;
        packet::answer(&unsealed.message, request, self.asked)
    }

    /// Close it. A BMC that does not answer any more forgets it by itself.
    pub(super) async fn close(mut self) {
        let theirs = self.theirs.to_le_bytes();
        let request = Request { family: APP, command: CLOSE, data: &theirs };
        if self.ask_within(&GOODBYE, request).await.is_ok() {
            self.is_open = false;
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        let theirs = self.theirs.to_le_bytes();
        self.asked = self.asked.wrapping_add(1) & 0x3f;
        if let Ok(packet) = self.next(Request { family: APP, command: CLOSE, data: &theirs }) {
            self.socket.try_send(&packet).ok();
        }
    }
}

/// One question and answer of the handshake.
async fn step<T>(
    socket: &UdpSocket,
    (kind, message): (Kind, Vec<u8>),
    wanted: Kind,
    mut read: impl FnMut(&[u8]) -> Result<Heard<T>, Flaw>,
) -> Result<T, Fault> {
    let (packet, mut flaw) = (packet::open(kind, &message), None);
    for patience in TRIES {
        socket.send(&packet).await.map_err(Fault::Network)?;
        let until = Instant::now() + patience;
        for _ in 0..MOST_STRAYS {
            let Some(packet) = receive(socket, until).await? else { break };
            match packet::read_open(&packet, wanted).and_then(&mut read) {
                Ok(Heard::Answer(answer)) => return Ok(answer),
                Ok(Heard::Refused(status)) => return Err(Fault::Status(status)),
                Ok(Heard::Unproved) => return Err(Fault::Unproved),
                Err(why) => flaw = Some(why),
            }
        }
    }
    Err(flaw.map_or(Fault::Silent, Fault::Stray))
}

/// The next packet; `None` when none comes in time.
async fn receive(socket: &UdpSocket, until: Instant) -> Result<Option<Vec<u8>>, Fault> {
    let mut buffer = [0; LARGEST];
    match timeout_at(until, socket.recv(&mut buffer)).await {
        Err(_) => Ok(None),
        Ok(Err(error)) => Err(Fault::Network(error)),
        Ok(Ok(size)) => Ok(Some(buffer.iter().take(size).copied().collect())),
    }
}

fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Fault::Random)?;
    Ok(bytes)
}
