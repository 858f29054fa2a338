//! A TFTP client written from the RFCs, independent of the server's codec.

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{net::UdpSocket, time::timeout};

pub(super) struct Client {
    server: SocketAddr,
    /// How often each ACK is sent.
    pub acknowledgements: usize,
}

#[derive(Default)]
pub(super) struct Got {
    pub bytes: Vec<u8>,
    pub agreed: HashMap<String, u64>,
    pub duplicates: u32,
}

pub(super) fn request(opcode: u8, name: &str, mode: &str, options: &[(&str, u64)]) -> Vec<u8> {
    let mut packet = vec![0, opcode];
    packet.extend(format!("{name}\0{mode}\0").bytes());
    for (option, value) in options {
        packet.extend(format!("{option}\0{value}\0").bytes());
    }
    packet
}

fn agreed(packet: &[u8]) -> HashMap<String, u64> {
    let text = String::from_utf8(packet[2..].to_vec()).unwrap();
    let words: Vec<_> = text.split_terminator('\0').collect();
    words.chunks(2).map(|pair| (pair[0].to_string(), pair[1].parse().unwrap())).collect()
}

impl Client {
    pub(super) fn new(server: SocketAddr) -> Self {
        Self { server, acknowledgements: 1 }
    }

    /// Reads a file, asking and acknowledging again after half a second of silence.
    pub(super) async fn get(&self, name: &str, options: &[(&str, u64)]) -> io::Result<Got> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let mut got = Got::default();
        let (mut block, mut window) = (512, 1);
        let (mut received, mut unacknowledged, mut gap): (u64, u64, bool) = (0, 0, false);
        let mut last = (request(1, name, "octet", options), self.server);
        socket.send_to(&last.0, last.1).await?;
        let mut buffer = vec![0; 70_000];
        // The port it has may have been another's, to whom somebody still repeats his last block.
        let mut peer = None;
        loop {
            let Ok(answer) = timeout(Duration::from_millis(500), socket.recv_from(&mut buffer)).await else {
                socket.send_to(&last.0, last.1).await?;
                continue;
            };
            let (size, transfer) = answer?;
            let packet = &buffer[..size];
            let is_first = matches!(packet[1], 5 | 6) || options.is_empty();
            if peer.is_none() && is_first {
                peer = Some(transfer);
            }
            if peer != Some(transfer) {
                continue;
            }
            let mut finished = false;
            match packet[1] {
                6 if received == 0 => {
                    got.agreed = agreed(packet);
                    block = usize::try_from(got.agreed.get("blksize").copied().unwrap_or(512)).unwrap();
                    window = got.agreed.get("windowsize").copied().unwrap_or(1);
                }
                3 => {
                    let number = u16::from_be_bytes([packet[2], packet[3]]);
                    let ahead = number.wrapping_sub((received & 0xffff) as u16);
                    if ahead != 1 {
                        got.duplicates += 1;
                        // RFC 7440: say once per gap what was received in order.
                        if gap {
                            continue;
                        }
                        gap = true;
                    } else {
                        gap = false;
                        received += 1;
                        unacknowledged += 1;
                        got.bytes.extend(&packet[4..]);
                        finished = size - 4 < block;
                        if unacknowledged < window && !finished {
                            continue;
                        }
                    }
                    unacknowledged = 0;
                }
                5 => return Err(io::Error::other(format!("refused: {packet:?}"))),
                _ => continue,
            }
            let [high, low] = ((received & 0xffff) as u16).to_be_bytes();
            last = (vec![0, 4, high, low], transfer);
            for _ in 0..self.acknowledgements {
                socket.send_to(&last.0, last.1).await?;
            }
            if finished {
                return Ok(got);
            }
        }
    }
}
