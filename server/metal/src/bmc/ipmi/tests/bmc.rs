//! A BMC on the loopback that does as it is scripted: the other side of the handshake, a few commands, and every way of
//! getting them wrong.
//!
//! What it has in common with the driver are the hashes and the seal; that these are right is what ipmi_sim shows.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::{net::UdpSocket, task::JoinHandle};

use super::super::{
    packet::{self, Bytes, Kind, checksum},
    suite::{Keys, Suite},
};

pub(super) const USER: &str = "admin";
pub(super) const PASSWORD: &str = "sesame-opens-17";
pub(super) const GUID: [u8; 16] = [9; 16];
const THEIRS: u32 = 0x0200_0a0b;

/// What it does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It says nothing from this message of the handshake on.
    Silent(Kind),
    /// It says nothing once the session is open.
    SilentInside,
    /// It says nothing to that command.
    SilentTo(u8),
    /// Packets of that kind are cut to so many bytes.
    Truncated(Kind, usize),
    /// Each packet of that kind comes after a thousand others.
    Flooded(Kind),
    /// It names another session than the one that asked.
    OtherSession(Kind),
    /// It gives the session the number 0.
    Numberless,
    /// It chooses to prove, seal and hide nothing.
    NoAlgorithms,
    /// It knows suite 3 only, and says so or says nothing.
    OldAndHonest,
    OldAndMute,
    /// That message has that status.
    Status(Kind, u8),
    /// Its last proof is wrong.
    BadEnd,
    /// Its packets are sealed with other keys.
    BadSeal,
    /// It repeats the first packet of the session for ever.
    Replays,
    /// It answers each request with the answer before.
    Lags,
    /// It answers with another command's answer.
    Confused,
    /// That command ends with that code.
    Completion(u8, u8),
    /// It takes what it is told and does nothing.
    Lies,
    /// It loses every other packet.
    Lossy,
}

/// What it is, and what it was asked.
pub(super) struct State {
    pub(super) fault: Option<Fault>,
    pub(super) is_on: bool,
    pub(super) flags: [u8; 5],
    /// The parameters of the boot options that were set.
    pub(super) options: Vec<Vec<u8>>,
    pub(super) guid: [u8; 16],
    pub(super) fru: Vec<u8>,
    /// How often it was switched.
    pub(super) switched: usize,
    /// How many sessions were opened, and how many closed.
    pub(super) opened: usize,
    pub(super) closed: usize,
    /// Whatever came in.
    pub(super) heard: Vec<Vec<u8>>,
    session: Option<Dialogue>,
    packets: usize,
}

/// A session as the BMC keeps it.
struct Dialogue {
    suite: Suite,
    console: u32,
    sent: u32,
    random: [u8; 16],
    console_random: [u8; 16],
    role_and_user: Vec<u8>,
    keys: Option<Keys>,
    first: Option<Vec<u8>>,
    before: Option<Vec<u8>>,
}

pub(super) struct Bmc {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Drop for Bmc {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Bmc {
    pub(super) async fn start(fault: Option<Fault>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State {
            fault,
            is_on: false,
            flags: [0; 5],
            options: Vec::new(),
            guid: GUID,
            fru: fru("SN-17"),
            switched: 0,
            opened: 0,
            closed: 0,
            heard: Vec::new(),
            session: None,
            packets: 0,
        }));
        let task = tokio::spawn(serve(socket, state.clone()));
        Self { address, state, task }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("whole")
    }
}

async fn serve(socket: UdpSocket, state: Arc<Mutex<State>>) {
    let mut buffer = vec![0; 2048];
    loop {
        let Ok((size, from)) = socket.recv_from(&mut buffer).await else { return };
        let answers = state.lock().expect("whole").answers(&buffer[..size]);
        for answer in answers {
            socket.send_to(&answer, from).await.ok();
        }
    }
}

/// An inventory with that serial number.
pub(super) fn fru(serial: &str) -> Vec<u8> {
    let mut product = vec![1, 0, 25];
    for text in ["Maker", "Model", "Part", "1", serial] {
        product.push(0xc0 | u8::try_from(text.len()).unwrap());
        product.extend(text.as_bytes());
    }
    product.push(0xc1);
    while (product.len() + 1) % 8 != 0 {
        product.push(0);
    }
    product[1] = u8::try_from((product.len() + 1) / 8).unwrap();
    product.push(checksum(&product));
    let mut header = vec![1, 0, 0, 0, 1, 0, 0];
    header.push(checksum(&header));
    [header, product].concat()
}

/// To Get Channel Authentication Capabilities before any session, which ipmitool begins with: RMCP+ it is.
fn capabilities(packet: &[u8]) -> Option<Vec<u8>> {
    let [6, 0, 0xff, 7, 0, _, _, _, _, 0, 0, 0, 0, _, 0x20, 0x18, _, 0x81, sequence, 0x38, ..] = packet
    else {
        return None;
    };
    let (to, from) = ([0x81, 0x1c], [0x20, *sequence, 0x38, 0, 1, 0x80, 0x04, 0x02, 0, 0, 0, 0]);
    let message = [to.as_slice(), &[checksum(&to)], &from, &[checksum(&from)]].concat();
    let head = [6, 0, 0xff, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, u8::try_from(message.len()).unwrap()];
    Some([head.as_slice(), &message].concat())
}

impl State {
    fn answers(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        self.heard.push(packet.to_vec());
        self.packets += 1;
        if self.fault == Some(Fault::Lossy) && self.packets % 2 == 1 {
            return Vec::new();
        }
        for (asked, kind) in
            [(Kind::Open, Kind::Opened), (Kind::Rakp1, Kind::Rakp2), (Kind::Rakp3, Kind::Rakp4)]
        {
            let Ok(message) = packet::read_open(packet, asked) else { continue };
            let Some(mut answer) = self.shake(kind, message) else { return Vec::new() };
            match self.fault {
                Some(Fault::Silent(from)) if kind as u8 >= from as u8 => return Vec::new(),
                Some(Fault::Status(of, status)) if of == kind => answer[1] = status,
                Some(Fault::OtherSession(of)) if of == kind => answer[4] ^= 1,
                _ => {}
            }
            return self.spoilt(kind, packet::open(kind, &answer));
        }
        if let Some(answer) = capabilities(packet) {
            return vec![answer];
        }
        let Some(answer) = self.inside(packet) else { return Vec::new() };
        self.spoilt(Kind::Message, answer)
    }

    fn spoilt(&self, kind: Kind, mut packet: Vec<u8>) -> Vec<Vec<u8>> {
        match self.fault {
            Some(Fault::Truncated(of, size)) if of == kind => {
                packet.truncate(size);
                vec![packet]
            }
            Some(Fault::Flooded(of)) if of == kind => {
                let stray = |n: u16| [packet.as_slice(), &n.to_le_bytes()].concat();
                (0..1000).map(stray).chain([packet.clone()]).collect()
            }
            _ => vec![packet],
        }
    }

    fn shake(&mut self, kind: Kind, message: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = Bytes(message);
        let [tag, _, _, _] = bytes.array().unwrap();
        match kind {
            Kind::Opened => self.open(tag, bytes),
            Kind::Rakp2 => {
                assert_eq!(bytes.number(), Ok(THEIRS));
                let session = self.session.as_mut()?;
                session.console_random = bytes.array().unwrap();
                let [role, _, _, size] = bytes.array().unwrap();
                session.role_and_user = [&[role, size], bytes.0].concat();
                let (console, random) = (session.console.to_le_bytes(), session.random);
                let proof = session.suite.hash_of(
                    PASSWORD.as_bytes(),
                    &[
                        &console,
                        &THEIRS.to_le_bytes(),
                        &session.console_random,
                        &random,
                        &GUID,
                        &session.role_and_user,
                    ],
                );
                Some([&[tag, 0, 0, 0], console.as_slice(), &random, &GUID, &proof].concat())
            }
            _ => self.end(tag, bytes),
        }
    }

    fn open(&mut self, tag: u8, mut bytes: Bytes<'_>) -> Option<Vec<u8>> {
        let console = bytes.number().unwrap();
        let algorithms = bytes.0.to_vec();
        let suite = match algorithms[4] {
            1 => Suite::Three,
            3 => Suite::Seventeen,
            other => panic!("it proposes algorithm {other}"),
        };
        match (self.fault, suite) {
            (Some(Fault::OldAndMute), Suite::Seventeen) => return None,
            (Some(Fault::OldAndHonest), Suite::Seventeen) => {
                return Some([&[tag, 0x11, 0, 0], console.to_le_bytes().as_slice()].concat());
            }
            _ => {}
        }
        self.session = Some(Dialogue {
            suite,
            console,
            sent: 0,
            random: [7; 16],
            console_random: [0; 16],
            role_and_user: Vec::new(),
            keys: None,
            first: None,
            before: None,
        });
        let theirs = if self.fault == Some(Fault::Numberless) { 0 } else { THEIRS };
        let mut chosen = algorithms;
        if self.fault == Some(Fault::NoAlgorithms) {
            for at in [4, 12, 20] {
                chosen[at] = 0;
            }
        }
        Some([&[tag, 0, 3, 0], console.to_le_bytes().as_slice(), &theirs.to_le_bytes(), &chosen].concat())
    }

    fn end(&mut self, tag: u8, mut bytes: Bytes<'_>) -> Option<Vec<u8>> {
        assert_eq!(bytes.number(), Ok(THEIRS));
        let session = self.session.as_mut()?;
        let console = session.console.to_le_bytes();
        let password = PASSWORD.as_bytes();
        let expected = session.suite.hash_of(password, &[&session.random, &console, &session.role_and_user]);
        if bytes.0 != expected {
            return Some([&[tag, 0x0f, 0, 0], console.as_slice()].concat());
        }
        let integrity = session
            .suite
            .hash_of(password, &[&session.console_random, &session.random, &session.role_and_user]);
        let mut proof =
            session.suite.hash_of(&integrity, &[&session.console_random, &THEIRS.to_le_bytes(), &GUID]);
        proof.truncate(session.suite.seal_size());
        if self.fault == Some(Fault::BadEnd) {
            proof[0] ^= 1;
        }
        session.keys = Some(Keys::new(session.suite, &integrity));
        self.opened += 1;
        Some([&[tag, 0, 0, 0], console.as_slice(), &proof].concat())
    }

    fn inside(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        if self.fault == Some(Fault::SilentInside) {
            return None;
        }
        let mut session = self.session.take()?;
        let unsealed = packet::unseal(session.keys.as_ref()?, packet).expect("the driver seals as it should");
        assert_eq!(unsealed.session, THEIRS);
        assert!(unsealed.sequence > 0);
        let message = unsealed.message;
        let (family, sequence, command) = (message[1] >> 2, message[4], message[5]);
        if self.fault == Some(Fault::SilentTo(command)) {
            self.session = Some(session);
            return None;
        }
        let (completion, data) = self.command(family, command, &message[6..message.len() - 1]);
        let to = [0x81, (family | 1) << 2];
        let command = if self.fault == Some(Fault::Confused) { command ^ 1 } else { command };
        let from = [&[0x20, sequence, command, completion], data.as_slice()].concat();
        let mut answer = [to.as_slice(), &[checksum(&to)], &from, &[checksum(&from)]].concat();
        if self.fault == Some(Fault::Lags) {
            std::mem::swap(session.before.get_or_insert_with(|| answer.clone()), &mut answer);
        }
        session.sent += 1;
        let other = Keys::new(session.suite, b"of somebody else");
        let keys = if self.fault == Some(Fault::BadSeal) { &other } else { session.keys.as_ref()? };
        let console = session.console ^ u32::from(self.fault == Some(Fault::OtherSession(Kind::Message)));
        let mut packet = packet::sealed(keys, console, session.sent, &answer, [3; 16]);
        if self.fault == Some(Fault::Replays) {
            packet = session.first.get_or_insert(packet).clone();
        }
        self.session = Some(session);
        Some(packet)
    }

    fn command(&mut self, family: u8, command: u8, data: &[u8]) -> (u8, Vec<u8>) {
        if let Some(Fault::Completion(of, code)) = self.fault
            && of == command
        {
            return (code, Vec::new());
        }
        let obeys = self.fault != Some(Fault::Lies);
        match (family, command, data) {
            (6, 0x3b, [3]) => (0, vec![3]),
            (6, 0x3c, _) => {
                self.closed += 1;
                (0, Vec::new())
            }
            (6, 0x37, []) => (0, self.guid.to_vec()),
            (0, 0x01, []) => (0, vec![u8::from(self.is_on), 0, 0]),
            (0, 0x02, [control @ (0 | 1)]) => {
                if obeys {
                    self.is_on = *control == 1;
                }
                self.switched += 1;
                (0, Vec::new())
            }
            (0, 0x08, [5, flags @ ..]) => {
                if obeys {
                    self.flags = flags.try_into().expect("five bytes");
                }
                self.options.push(data.to_vec());
                (0, Vec::new())
            }
            (0, 0x08, [0, _]) => (0x80, Vec::new()),
            (0, 0x08, _) => {
                self.options.push(data.to_vec());
                (0, Vec::new())
            }
            (0, 0x09, [5, 0, 0]) => (0, [&[1, 5], self.flags.as_slice()].concat()),
            (0x0a, 0x11, [0, low, high, count]) => {
                let at = usize::from(u16::from_le_bytes([*low, *high]));
                match self.fru.get(at..) {
                    None | Some([]) => (0xc9, Vec::new()),
                    Some(rest) => {
                        let piece = &rest[..rest.len().min(usize::from(*count))];
                        (0, [&[u8::try_from(piece.len()).unwrap()], piece].concat())
                    }
                }
            }
            // ipmitool asks for more than the driver.
            (0x2c, ..) | (0x06, 0x01, _) => (0xc1, Vec::new()),
            other => panic!("nothing of the kind is asked: {other:02x?}"),
        }
    }
}
