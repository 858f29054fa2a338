//! Ten thousand machines that are switched on within one second, as one relay on the clients' side forwards them.
//!
//! Each says DISCOVER, then REQUEST, and repeats itself after four seconds of silence, the first time PXE firmware does
//! (PXE 2.1 section 2.2: 4, 8, 16 seconds).

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    str::FromStr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// The word that makes this program a storm.
pub const ROLE: &str = "storm";
/// The relay's address, which is the clients' side's.
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const REPEAT: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(30);
const BUFFER: usize = 32 << 20;

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// How many never got an address.
    pub unleased: u32,
    /// How often one had to repeat itself.
    pub repeats: u32,
    /// From the first DISCOVER to the last ACK, in seconds.
    pub seconds: f64,
    /// The longest that one machine waited for its ACK, in seconds.
    pub longest: f64,
}

impl FromStr for Report {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [unleased, repeats, seconds, longest] = words[..] else { bail!("no report: {text}") };
        let (unleased, repeats) = (unleased.parse()?, repeats.parse()?);
        Ok(Self { unleased, repeats, seconds: seconds.parse()?, longest: longest.parse()? })
    }
}

/// One machine.
struct Machine {
    began: Instant,
    said: Instant,
    /// Its last words; empty once it has its lease.
    last: Vec<u8>,
}

/// Is the storm of so many machines, and prints a report.
///
/// # Errors
/// The relay's port cannot be had.
pub fn main(machines: &str, server: Ipv4Addr) -> Result<()> {
    let machines: u32 = machines.parse().context("how many machines")?;
    let socket = UdpSocket::bind((RELAY, 67))?;
    socket.set_nonblocking(true)?;
    rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER)?;
    let to = SocketAddr::from((server, 67));
    let began = Instant::now();
    let mut all: Vec<Machine> = Vec::new();
    let (mut leased, mut repeats, mut longest) = (0, 0, Duration::ZERO);
    let mut buffer = [0; 1500];
    while leased < machines && began.elapsed() < PATIENCE {
        let due = (began.elapsed().as_secs_f64() * f64::from(machines)).min(f64::from(machines));
        while f64::from(u32::try_from(all.len())?) < due {
            let (now, discover) = (Instant::now(), message(1, u32::try_from(all.len())?, None, server));
            socket.send_to(&discover, to)?;
            all.push(Machine { began: now, said: now, last: discover });
        }
        match socket.recv_from(&mut buffer) {
            Ok((size, _)) => {
                let Some((kind, number, address)) = read(buffer.get(..size).unwrap_or_default()) else {
                    continue;
                };
                let Some(machine) = all.get_mut(usize::try_from(number)?) else { continue };
                match kind {
                    2 if !machine.last.is_empty() => {
                        machine.last = message(3, number, Some(address), server);
                        machine.said = Instant::now();
                        socket.send_to(&machine.last, to)?;
                    }
                    5 if !machine.last.is_empty() => {
                        machine.last.clear();
                        leased += 1;
                        longest = longest.max(machine.began.elapsed());
                    }
                    _ => {}
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                for machine in all.iter_mut().filter(|machine| !machine.last.is_empty()) {
                    if machine.said.elapsed() > REPEAT {
                        machine.said = Instant::now();
                        repeats += 1;
                        socket.send_to(&machine.last, to)?;
                    }
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{} {repeats} {seconds} {}", machines - leased, longest.as_secs_f64());
    Ok(())
}

fn message(kind: u8, number: u32, address: Option<Ipv4Addr>, server: Ipv4Addr) -> Vec<u8> {
    let mut bytes = vec![0; 240];
    bytes.splice(..4, [1, 1, 6, 1]);
    bytes.splice(4..8, number.to_be_bytes());
    bytes.splice(24..28, RELAY.octets());
    bytes.splice(28..34, [[0x52, 0x54].as_slice(), &number.to_be_bytes()].concat());
    bytes.splice(236..240, [99, 130, 83, 99]);
    bytes.extend([53, 1, kind]);
    if let Some(address) = address {
        bytes.extend([50, 4]);
        bytes.extend(address.octets());
        bytes.extend([54, 4]);
        bytes.extend(server.octets());
    }
    bytes.push(255);
    bytes
}

/// Message type, machine and address of a reply.
fn read(reply: &[u8]) -> Option<(u8, u32, Ipv4Addr)> {
    let number = u32::from_be_bytes(*reply.get(4..)?.first_chunk()?);
    let address = Ipv4Addr::from(*reply.get(16..)?.first_chunk::<4>()?);
    let mut options = reply.get(240..)?;
    loop {
        match options {
            [53, 1, kind, ..] => return Some((*kind, number, address)),
            [0, rest @ ..] => options = rest,
            [_, length, rest @ ..] => options = rest.get(usize::from(*length)..)?,
            _ => return None,
        }
    }
}
