//! TFTP as firmware speaks it (RFC 1350, 2347, 2348, 7440): one read request with a block size and a window, until the
//! last block. What comes is counted and thrown away.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{net::UdpSocket, time::timeout};

use crate::{dice, machine::Life};

const BLOCK: usize = 1468;
const WINDOW: u16 = 16;
/// Loaders have about a mebibyte.
const LONGEST: usize = 16 << 20;
/// How long a block is waited for, and how often in a row it is asked for again.
const SILENCE: Duration = Duration::from_secs(1);
const TRIES: u32 = 6;

/// The file did not come.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No socket.
    #[error("no socket for TFTP")]
    Socket(#[source] io::Error),
    /// Nothing came.
    #[error("{0} fell silent")]
    Silent(SocketAddr),
    /// The server says no.
    #[error("the server refuses: {0}")]
    Refused(String),
    /// What came is no TFTP.
    #[error("the server's packet makes no sense")]
    Packet,
    /// It goes on and on.
    #[error("the file is longer than {LONGEST} bytes")]
    TooLong,
}

/// A packet from the server.
#[derive(Debug, PartialEq, Eq)]
enum Packet<'a> {
    Data(u16, &'a [u8]),
    Options(Vec<(&'a str, &'a str)>),
    Refusal(String),
}

impl<'a> Packet<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (code, rest) = bytes.split_first_chunk::<2>()?;
        match u16::from_be_bytes(*code) {
            3 => {
                let (block, data) = rest.split_first_chunk::<2>()?;
                Some(Self::Data(u16::from_be_bytes(*block), data))
            }
            5 => {
                let text = rest.get(2..)?.split(|byte| *byte == 0).next()?;
                Some(Self::Refusal(String::from_utf8_lossy(text).chars().take(200).collect()))
            }
            6 => {
                let words: Vec<&str> =
                    std::str::from_utf8(rest).ok()?.split_terminator('\0').take(32).collect();
                let pair = |pair: &[&'a str]| Some((*pair.first()?, *pair.get(1)?));
                Some(Self::Options(words.chunks(2).map(pair).collect::<Option<_>>()?))
            }
            _ => None,
        }
    }
}

/// Read `file` from `server`; how many bytes there were.
///
/// # Errors
/// See [`Error`].
pub async fn swallow(life: &Life, server: SocketAddr, file: &str) -> Result<usize, Error> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.map_err(Error::Socket)?;
    let mut request = vec![0, 1];
    request.extend(format!("{file}\0octet\0blksize\0{BLOCK}\0windowsize\0{WINDOW}\0").bytes());
    let mut transfer = Transfer { socket, life, peer: server, sent: 0, packet: request };
    transfer.run().await
}

struct Transfer<'a> {
    socket: UdpSocket,
    life: &'a Life,
    /// Whom to answer; the server answers from a port of its own.
    peer: SocketAddr,
    sent: u64,
    /// What was sent last.
    packet: Vec<u8>,
}

impl Transfer<'_> {
    async fn run(&mut self) -> Result<usize, Error> {
        let (mut block, mut window) = (512, 1);
        let (mut length, mut last, mut tries, mut in_window): (usize, u16, u32, u16) = (0, 0, 0, 0);
        let mut buffer = vec![0; 65_536];
        self.send().await?;
        loop {
            let Some(received) = self.receive(&mut buffer).await? else {
                tries += 1;
                if tries >= TRIES {
                    return Err(Error::Silent(self.peer));
                }
                self.send().await?;
                continue;
            };
            match Packet::parse(buffer.get(..received).unwrap_or_default()).ok_or(Error::Packet)? {
                Packet::Refusal(why) => return Err(Error::Refused(why)),
                Packet::Options(options) => {
                    for (name, value) in options {
                        match name.to_ascii_lowercase().as_str() {
                            "blksize" => block = value.parse().map_err(|_| Error::Packet)?,
                            "windowsize" => window = value.parse().map_err(|_| Error::Packet)?,
                            _ => {}
                        }
                    }
                    self.acknowledge(0).await?;
                }
                Packet::Data(number, data) if number == last.wrapping_add(1) => {
                    (last, tries) = (number, 0);
                    in_window += 1;
                    length += data.len();
                    if length > LONGEST {
                        return Err(Error::TooLong);
                    }
                    let end = data.len() < block;
                    if end || in_window >= window {
                        in_window = 0;
                        self.acknowledge(last).await?;
                    }
                    if end {
                        return Ok(length);
                    }
                }
                // One got lost, or came twice: the server goes on from what is acknowledged (RFC 7440, 4).
                Packet::Data(..) if in_window > 0 => {
                    in_window = 0;
                    self.acknowledge(last).await?;
                }
                Packet::Data(..) => {}
            }
        }
    }

    async fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Error> {
        loop {
            let Ok(received) = timeout(SILENCE, self.socket.recv_from(buffer)).await else { return Ok(None) };
            let (length, from) = received.map_err(Error::Socket)?;
            if from.ip() != self.peer.ip() {
                continue;
            }
            self.peer = from;
            if self.gets_through() {
                return Ok(Some(length));
            }
        }
    }

    async fn acknowledge(&mut self, block: u16) -> Result<(), Error> {
        let [high, low] = block.to_be_bytes();
        self.packet = vec![0, 4, high, low];
        self.send().await
    }

    async fn send(&mut self) -> Result<(), Error> {
        if self.gets_through() {
            self.socket.send_to(&self.packet, self.peer).await.map_err(Error::Socket)?;
        }
        Ok(())
    }

    fn gets_through(&mut self) -> bool {
        self.sent += 1;
        let link = self.life.rack.faults.link(&self.life.machine);
        let words = [u64::from(self.life.machine.index), self.sent, 0x0045];
        !link.dead && !dice::happens(link.loss, dice::throw(self.life.rack.spec.seed, &words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_and_nonsense_is_not() {
        assert_eq!(Packet::parse(&[0, 3, 0, 7, 1, 2]), Some(Packet::Data(7, &[1, 2])));
        assert_eq!(
            Packet::parse(b"\0\x06blksize\x001468\0"),
            Some(Packet::Options(vec![("blksize", "1468")]))
        );
        assert_eq!(
            Packet::parse(b"\0\x05\0\x01no such file\0"),
            Some(Packet::Refusal("no such file".into()))
        );
        for bytes in [&b""[..], b"\0", b"\0\x03", b"\0\x03\0", b"\0\x06blksize\0", b"\0\x09xx", b"\xff\xff"] {
            assert_eq!(Packet::parse(bytes), None, "{bytes:?}");
        }
    }
}
