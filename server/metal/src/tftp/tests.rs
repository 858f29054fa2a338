//! A TFTP client against the server over loopback: every option, a lossy line, and requests it must not serve.

mod client;
mod lossy;

use std::{
    collections::HashMap,
    io::Write,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use tokio::{net::UdpSocket, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use client::Client;
use lossy::Line;

use super::{Content, Counters, Limits, Server, files::Fixed, options::Agreed, packet::Packet};
use crate::testing::corpus;

struct Site {
    address: SocketAddr,
    counters: Arc<Counters>,
    _running: DropGuard,
}

fn content(size: usize) -> Bytes {
    (0..size).map(|n| u8::try_from((n * 31 + n / 251) % 256).unwrap()).collect()
}

async fn site(files: &[(&str, Content)], limits: Limits) -> Site {
    let files: HashMap<_, _> =
        files.iter().map(|(name, content)| (name.to_string(), content.clone())).collect();
    let counters = Arc::<Counters>::default();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = Server::bind(any, Arc::new(Fixed(files)), limits, Arc::clone(&counters)).await.unwrap();
    let (address, cancel) = (server.address(), CancellationToken::new());
    tokio::spawn(server.run(cancel.clone()));
    Site { address, counters, _running: cancel.drop_guard() }
}

async fn loaders(size: usize) -> Site {
    site(&[("snponly.efi", Content::Bytes(content(size)))], Limits::default()).await
}

/// The counters follow the client's last ACK by a moment.
async fn until(mut reached: impl FnMut() -> bool) {
    let wait = async {
        while !reached() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), wait).await.expect("the counter is never reached");
}

#[tokio::test]
async fn a_file_of_any_size_arrives_whole_under_any_terms() {
    for size in [0, 1, 511, 512, 513, 1024, 100_000] {
        let site = loaders(size).await;
        for options in [
            vec![],
            vec![("blksize", 1468)],
            vec![("blksize", 8)],
            vec![("tsize", 0), ("blksize", 1024), ("windowsize", 4)],
            vec![("windowsize", 16), ("blksize", 1468), ("timeout", 2)],
            vec![("windowsize", 64), ("blksize", 65_464)],
        ] {
            let got = Client::new(site.address).get("snponly.efi", &options).await.unwrap();
            assert_eq!(got.bytes, content(size), "{size} bytes, {options:?}");
            if options.iter().any(|(name, _)| *name == "tsize") {
                assert_eq!(got.agreed["tsize"], u64::try_from(size).unwrap());
            }
        }
    }
}

#[tokio::test]
async fn a_file_on_disk_is_read_piece_by_piece() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&content(1_000_003)).unwrap();
    let site = site(&[("image", Content::File(file.path().into()))], Limits::default()).await;
    for options in [vec![("blksize", 1468), ("windowsize", 16)], vec![("blksize", 8192)]] {
        let got = Client::new(site.address).get("/image", &options).await.unwrap();
        assert_eq!(got.bytes, content(1_000_003), "{options:?}");
    }
}

#[tokio::test]
async fn block_numbers_wrap_and_the_transfer_goes_on() {
    let size = 8 * 70_000 + 3;
    let site = loaders(size).await;
    let got =
        Client::new(site.address).get("snponly.efi", &[("blksize", 8), ("windowsize", 60)]).await.unwrap();
    assert!(got.bytes == content(size), "{} bytes", got.bytes.len());
}

#[tokio::test]
async fn a_lossy_line_delays_and_never_corrupts() {
    let size = 300_000;
    let site = loaders(size).await;
    for (seed, options) in [
        (1, vec![("blksize", 1468), ("windowsize", 16)]),
        (2, vec![("blksize", 1468), ("windowsize", 4)]),
        (3, vec![("blksize", 8192)]),
    ] {
        let line = Line::between(site.address, seed).await;
        let client = Client::new(line.address);
        let got = timeout(Duration::from_secs(60), client.get("snponly.efi", &options)).await;
        assert!(got.unwrap().unwrap().bytes == content(size), "{options:?}");
        assert!(line.lost.load(Ordering::Relaxed) > 0, "the line lost nothing");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_transfers_at_once_over_a_lossy_line_all_arrive() {
    const CLIENTS: u64 = 300;
    let size = 60_000;
    let limits = Limits { per_client: 1000, ..Limits::default() };
    let site = site(&[("f", Content::Bytes(content(size)))], limits).await;
    let line = Line::between(site.address, 7).await;
    let mut clients = tokio::task::JoinSet::new();
    for window in 0..CLIENTS {
        let client = Client::new(line.address);
        let options = [("blksize", 1468), ("windowsize", 1 + window % 16)];
        clients.spawn(async move { timeout(Duration::from_secs(120), client.get("f", &options)).await });
    }
    while let Some(got) = clients.join_next().await {
        let (got, wanted) = (got.unwrap().expect("in time").unwrap(), content(size));
        let differs = got.bytes.iter().zip(&wanted).position(|(one, other)| one != other);
        assert!(
            got.bytes == wanted,
            "{} bytes, of which {differs:?} differs: {:?}",
            got.bytes.len(),
            got.agreed
        );
    }
    assert!(line.lost.load(Ordering::Relaxed) > 100, "the line lost hardly anything");
}

#[tokio::test]
async fn a_flood_of_requests_is_held_to_the_limit_of_transfers() {
    let limits = Limits { transfers: 50, per_client: 1000, ..Limits::default() };
    let site = site(&[("f", Content::Bytes(content(100_000)))], limits).await;
    let request = client::request(1, "f", "octet", &[("blksize", 1468)]);
    let mut flood = Vec::new();
    for _ in 0..300 {
        // Of an address of its own: what is still said to it once it is gone must reach no other test that has its port then.
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 9), 0)).await.unwrap();
        socket.send_to(&request, site.address).await.unwrap();
        flood.push(socket);
    }
    until(|| site.counters.requests.load(Ordering::Relaxed) == 300).await;
    until(|| site.counters.running.load(Ordering::Relaxed) == 50).await;
    assert_eq!(site.counters.turned_back.load(Ordering::Relaxed), 250);
    drop(flood);
    // Who went away frees a place, and the next one is served.
    let got =
        timeout(Duration::from_secs(60), Client::new(site.address).get("f", &[("blksize", 1468)])).await;
    assert_eq!(got.unwrap().unwrap().bytes, content(100_000));
}

#[tokio::test]
async fn a_repeated_acknowledgement_does_not_repeat_the_block() {
    let site = loaders(5000).await;
    let mut client = Client::new(site.address);
    client.acknowledgements = 3;
    let got = client.get("snponly.efi", &[("timeout", 10)]).await.unwrap();
    assert_eq!(got.bytes, content(5000));
    assert_eq!(got.duplicates, 0);
}

#[tokio::test]
async fn a_repeated_request_starts_no_second_transfer() {
    let site = loaders(100).await;
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let request = client::request(1, "snponly.efi", "octet", &[("blksize", 512)]);
    for _ in 0..5 {
        client.send_to(&request, site.address).await.unwrap();
    }
    until(|| site.counters.requests.load(Ordering::Relaxed) == 5).await;
    assert_eq!(site.counters.running.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_is_not_served_is_refused_by_its_code() {
    let site = loaders(100).await;
    let table = [
        ("an unknown name", client::request(1, "other", "octet", &[]), 1),
        ("a path out of the names", client::request(1, "../snponly.efi", "octet", &[]), 1),
        ("an absolute path", client::request(1, "/etc/passwd", "octet", &[]), 1),
        ("a write", client::request(2, "snponly.efi", "octet", &[]), 2),
        ("text mode", client::request(1, "snponly.efi", "netascii", &[]), 0),
        ("an unterminated name", b"\0\x01snponly.efi".to_vec(), 4),
        ("control characters", b"\0\x01a\nb\0octet\0".to_vec(), 4),
    ];
    for (name, request, code) in table {
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        client.send_to(&request, site.address).await.unwrap();
        let mut answer = [0; 600];
        let size = timeout(Duration::from_secs(5), client.recv(&mut answer)).await.unwrap().unwrap();
        assert_eq!(answer[..4], [0, 5, 0, code], "{name}: {:?}", &answer[..size]);
    }
}

#[tokio::test]
async fn a_client_has_its_share_and_no_more() {
    let limits = Limits { per_client: 3, ..Limits::default() };
    let site = site(&[("f", Content::Bytes(content(100)))], limits).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        client.send_to(&client::request(1, "f", "octet", &[]), site.address).await.unwrap();
        clients.push(client);
    }
    until(|| site.counters.turned_back.load(Ordering::Relaxed) == 2).await;
    drop(clients);
}

#[tokio::test]
async fn a_client_that_only_wants_the_size_frees_its_place() {
    let site = loaders(100).await;
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    client.send_to(&client::request(1, "snponly.efi", "octet", &[("tsize", 0)]), site.address).await.unwrap();
    let mut answer = [0; 600];
    let (size, transfer) = client.recv_from(&mut answer).await.unwrap();
    assert_eq!(&answer[..size], b"\0\x06tsize\x00100\0");
    client.send_to(b"\0\x05\0\x08stop\0", transfer).await.unwrap();
    until(|| site.counters.aborted.load(Ordering::Relaxed) == 1).await;
    assert_eq!(site.counters.running.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn many_clients_at_once_are_all_served() {
    let limits = Limits { per_client: 1000, ..Limits::default() };
    let site = site(&[("f", Content::Bytes(content(50_000)))], limits).await;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..300 {
        let client = Client::new(site.address);
        clients.spawn(async move { client.get("f", &[("blksize", 1468), ("windowsize", 4)]).await });
    }
    while let Some(got) = clients.join_next().await {
        assert!(got.unwrap().unwrap().bytes == content(50_000));
    }
    until(|| site.counters.completed.load(Ordering::Relaxed) == 300).await;
}

#[test]
fn every_entry_of_the_corpus_is_read() {
    for datagram in corpus::entries("tftp") {
        Packet::parse(&datagram).unwrap();
    }
}

proptest! {
    #[test]
    fn a_spoilt_packet_is_read_or_refused_and_its_options_within_bounds(
        datagram in corpus::edited("tftp"), size: u64,
    ) {
        if let Ok(Packet::Read(read)) = Packet::parse(&datagram) {
            let limits = Limits::default();
            let agreed = Agreed::on(&read.options, size, &limits);
            prop_assert!((8..=65_464).contains(&agreed.block));
            prop_assert!((1..=limits.window).contains(&agreed.window));
            prop_assert!(agreed.window == 1 || agreed.window * agreed.block as u64 <= limits.window_bytes);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(opcode in 0u8..8, mut body in vec(any::<u8>(), 0..600)) {
        let _ = Packet::parse(&body);
        body.splice(0..0, [0, opcode]);
        let _ = Packet::parse(&body);
    }
}
