//! A transfer's socket, which sends many blocks in one call: the kernel, or the NIC, cuts one buffer into datagrams
//! (UDP_SEGMENT).
//!
//! Where a way does not take that (blocks longer than its MTU, an interface without checksum offload, an old kernel),
//! each datagram is sent by itself from then on.

use std::{io, os::fd::AsFd};

use nix::sys::socket::{setsockopt, sockopt::UdpGsoSegment};
use rustix::io::Errno;
use tokio::net::UdpSocket;

/// UDP_MAX_SEGMENTS of the kernels that have the fewest.
const SEGMENTS: usize = 64;
/// How many datagrams of a window go first.
const FIRST: usize = 2;
/// What one IPv4 datagram holds, which is what the kernel cuts.
const LARGEST: usize = 65_507;

/// A connected socket and the size of its datagrams.
#[derive(Debug)]
pub struct Burst {
    socket: UdpSocket,
    datagram: usize,
    /// How many datagrams go into one call.
    at_once: usize,
}

impl Burst {
    /// Datagrams of this size, up to a window of them at a time.
    pub fn new(socket: UdpSocket, datagram: usize, window: u64) -> Self {
        let datagram = datagram.max(1);
        let window = usize::try_from(window).unwrap_or(SEGMENTS);
        let mut burst = Self { socket, datagram, at_once: 1 };
        let at_once = window.min(SEGMENTS).min(LARGEST / datagram);
        if at_once > 1 && burst.cut(datagram).is_ok() {
            burst.at_once = at_once;
        }
        burst
    }

    /// Sends datagrams that lie one behind the other, all of the full size but the last: a few first, then twice as many
    /// each time. The client takes those that are there while the next are on their way, where it would wait for the whole
    /// otherwise.
    pub async fn send(&mut self, datagrams: &[u8]) -> io::Result<()> {
        let mut rest = datagrams;
        let mut most = FIRST;
        while !rest.is_empty() {
            let length = rest.len().min(self.datagram.saturating_mul(most.min(self.at_once)));
            let (now, later) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            match self.socket.send(now).await {
                Ok(_) => {
                    rest = later;
                    most = most.saturating_mul(2).min(self.at_once);
                }
                Err(error) if self.at_once > 1 && is_about_segments(&error) => {
                    self.at_once = 1;
                    self.cut(0)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Receives one datagram.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.recv(buffer).await
    }

    fn cut(&self, size: usize) -> io::Result<()> {
        let size = i32::try_from(size).map_err(io::Error::other)?;
        setsockopt(&self.socket.as_fd(), UdpGsoSegment, &size).map_err(io::Error::from)
    }
}

/// What udp(7) and the segmentation code answer where segments cannot be had.
fn is_about_segments(error: &io::Error) -> bool {
    let refusals = [Errno::INVAL, Errno::IO, Errno::MSGSIZE, Errno::OPNOTSUPP, Errno::NOPROTOOPT];
    Errno::from_io_error(error).is_some_and(|errno| refusals.contains(&errno))
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use tokio::time::timeout;

    use super::*;

    async fn pair(datagram: usize, window: u64) -> (Burst, UdpSocket) {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        sender.connect(receiver.local_addr().unwrap()).await.unwrap();
        (Burst::new(sender, datagram, window), receiver)
    }

    #[tokio::test]
    async fn a_window_arrives_as_its_datagrams() {
        for (datagram, window, size) in
            [(1472, 16, 20_000), (100, 64, 6400), (516, 4, 4), (1472, 200, 100_000)]
        {
            let (mut burst, receiver) = pair(datagram, window).await;
            let sent: Vec<u8> = (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect();
            burst.send(&sent).await.unwrap();
            let mut buffer = vec![0; 70_000];
            for expected in sent.chunks(datagram) {
                let received = timeout(Duration::from_secs(10), receiver.recv(&mut buffer));
                let size = received.await.unwrap().unwrap();
                assert_eq!(buffer[..size], *expected, "{datagram} bytes, window {window}");
            }
        }
    }

    /// Loopback takes 65,535 bytes at once, so a block of any size fits its MTU; a way that refuses is played by an
    /// error of its kind.
    #[test]
    fn a_refusal_of_segments_is_told_from_other_errors() {
        for errno in [Errno::INVAL, Errno::IO, Errno::MSGSIZE] {
            assert!(is_about_segments(&errno.into()), "{errno}");
        }
        for errno in [Errno::CONNREFUSED, Errno::NOBUFS, Errno::PERM] {
            assert!(!is_about_segments(&errno.into()), "{errno}");
        }
    }
}
