//! One file sent to one client over a connected socket of its own (its transfer id; the kernel drops all other senders).
//!
//! A window of blocks, then one ACK (RFC 7440; a window of one is RFC 1350). Invariants: a duplicate ACK never doubles
//! the traffic (RFC 1123 section 4.2.3.1): it is ignored in lock step, and resends a window at most once. Block numbers
//! wrap from 65535 to 0. Silence is answered by retransmission with backoff, a bounded number of times.

use std::{io, time::Duration};

use tokio::{net::UdpSocket, time::Instant};

use super::{
    burst::Burst,
    options::Agreed,
    packet::{self, Packet},
    source::Source,
};

const FIRST_WAIT: Duration = Duration::from_secs(1);
const SHORTEST_WAIT: Duration = Duration::from_millis(200);
/// What is waited at most before the first retransmission, where answers take long because there are many.
const CROWDED_WAIT: Duration = Duration::from_secs(4);
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// Opcode and block number.
const HEADER: usize = 4;
/// Retransmissions without progress before the client is taken for gone: at least 13 seconds.
const ATTEMPTS: u32 = 7;

/// Why a transfer did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client sent an ERROR; firmware does so after it has learned the size.
    #[error("the client gave up with code {0}")]
    Refused(u16),
    /// Nothing was heard any more.
    #[error("the client fell silent at block {0}")]
    Silent(u64),
    /// Its port was closed.
    #[error("the client went away at block {0}")]
    Gone(u64),
    /// The content could not be read.
    #[error("reading the content failed")]
    Read(#[source] io::Error),
    /// The socket failed.
    #[error("sending failed")]
    Socket(#[source] io::Error),
}

/// A transfer in progress.
pub struct Transfer {
    socket: Burst,
    source: Source,
    terms: Agreed,
    /// How many blocks the file is, the short or empty last one included.
    blocks: u64,
    /// How many of them the client has.
    acked: u64,
    wait: Duration,
}

/// What a wait for the client brought.
enum Heard {
    /// It has this many more blocks.
    More(u64),
    /// It has said again what it had.
    Again,
    /// Nothing.
    Nothing,
}

impl Transfer {
    /// A transfer of a source to the client that the socket is connected to.
    pub fn new(socket: UdpSocket, source: Source, terms: Agreed) -> Self {
        let block = u64::try_from(terms.block).unwrap_or(u64::MAX).max(1);
        let blocks = source.size() / block + 1;
        let wait = terms.timeout.unwrap_or(FIRST_WAIT);
        let socket = Burst::new(socket, terms.block + HEADER, terms.window);
        Self { socket, source, terms, blocks, acked: 0, wait }
    }

    /// Runs to the end; gives how many bytes the client got.
    pub async fn run(mut self) -> Result<u64, Error> {
        if !self.terms.answer.is_empty() {
            self.agree().await?;
        }
        while self.acked < self.blocks {
            self.advance().await?;
        }
        Ok(self.source.size())
    }

    /// Sends the OACK until block 0 is acknowledged.
    async fn agree(&mut self) -> Result<(), Error> {
        let answer = packet::option_ack(&self.terms.answer);
        let mut wait = self.wait;
        for _ in 0..=ATTEMPTS {
            self.send(&answer).await?;
            let until = Instant::now() + wait;
            if matches!(self.hear(0, until).await?, Heard::Again) {
                return Ok(());
            }
            wait = backoff(wait);
        }
        Err(Error::Silent(0))
    }

    /// Sends a window, again and again, until the client has at least one block of it.
    async fn advance(&mut self) -> Result<(), Error> {
        let end = self.blocks.min(self.acked + self.terms.window);
        let mut wait = self.wait;
        let mut attempts = 0;
        // A receiver that misses the first block of a window repeats its last ACK. In lock step that is only an echo.
        let mut resend = self.terms.window > 1;
        self.send_window(end).await?;
        let sent = Instant::now();
        let mut until = sent + wait;
        loop {
            match self.hear(end - self.acked, until).await? {
                Heard::More(blocks) => {
                    if self.terms.timeout.is_none() {
                        // Which of several sendings an ACK answers cannot be told (Karn's algorithm): the longer wait
                        // stays until one was answered at once. Else a crowd is only ever told everything twice.
                        let wait = if attempts == 0 { sent.elapsed() * 4 } else { wait };
                        self.wait = wait.clamp(SHORTEST_WAIT, CROWDED_WAIT);
                    }
                    self.acked += blocks;
                    return Ok(());
                }
                Heard::Again if !resend => continue,
                Heard::Again => resend = false,
                Heard::Nothing if attempts == ATTEMPTS => return Err(Error::Silent(self.acked + 1)),
                Heard::Nothing => {
                    attempts += 1;
                    wait = backoff(wait);
                }
            }
            self.send_window(end).await?;
            until = Instant::now() + wait;
        }
    }

    async fn send_window(&mut self, end: u64) -> Result<(), Error> {
        let block = self.terms.block;
        let blocks = usize::try_from(end - self.acked).unwrap_or(usize::MAX);
        let offset = self.acked * u64::try_from(block).unwrap_or(0);
        let window = self.source.read(offset, blocks.saturating_mul(block)).await.map_err(Error::Read)?;
        let mut rest = &window[..];
        let mut packets = Vec::with_capacity(window.len() + blocks.saturating_mul(HEADER));
        for number in self.acked + 1..=end {
            let (content, more) = rest.split_at_checked(block).unwrap_or((rest, &[]));
            rest = more;
            packets.extend(packet::data_header(wrapped(number)));
            packets.extend_from_slice(content);
        }
        self.send(&packets).await
    }

    async fn send(&mut self, packets: &[u8]) -> Result<(), Error> {
        self.socket.send(packets).await.map_err(|error| self.lost(error))
    }

    /// Waits for an ACK of at most `ahead` more blocks.
    async fn hear(&self, ahead: u64, until: Instant) -> Result<Heard, Error> {
        let mut datagram = [0; packet::MAX_REQUEST];
        loop {
            let received = match tokio::time::timeout_at(until, self.socket.recv(&mut datagram)).await {
                Err(_elapsed) => return Ok(Heard::Nothing),
                Ok(received) => received.map_err(|error| self.lost(error))?,
            };
            match Packet::parse(datagram.get(..received).unwrap_or_default()) {
                Ok(Packet::Ack(number)) => match u64::from(number.wrapping_sub(wrapped(self.acked))) {
                    0 => return Ok(Heard::Again),
                    more if more <= ahead => return Ok(Heard::More(more)),
                    _stale => {}
                },
                Ok(Packet::Error(code)) => return Err(Error::Refused(code)),
                _ => {}
            }
        }
    }

    fn lost(&self, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Error::Gone(self.acked + 1),
            _ => Error::Socket(error),
        }
    }
}

fn backoff(wait: Duration) -> Duration {
    (wait * 2).min(LONGEST_WAIT.max(wait))
}

/// A block's number on the wire.
fn wrapped(block: u64) -> u16 {
    u16::try_from(block & 0xffff).unwrap_or_default()
}
