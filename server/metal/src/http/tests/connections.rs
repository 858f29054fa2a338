//! Who opens connections and does nothing with them, holds nobody up for long.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Says, agent, config};
use crate::http::{
    Endpoint,
    connections::{self, Bounds},
};

const HEAD: Duration = Duration::from_millis(300);
/// Longer than a busy machine takes between two requests.
const LONG: Duration = Duration::from_secs(5);
/// On a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const REQUEST: &[u8] = b"GET /boot.ipxe HTTP/1.1\r\nHost: server\r\n\r\n";

async fn start(
    connections: usize,
    head: Duration,
) -> (std::net::SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let cancel = CancellationToken::new();
    let endpoint = Endpoint::new(config(std::path::Path::new("/nowhere")), Says::new(agent()));
    let server =
        tokio::spawn(connections::serve(listener, endpoint, Bounds { connections, head }, cancel.clone()));
    (address, cancel, server)
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = [0; 512];
    let read = stream.read(&mut bytes).await.expect("readable");
    String::from_utf8_lossy(bytes.get(..read).unwrap_or_default()).into_owned()
}

#[tokio::test]
async fn one_who_says_nothing_is_hung_up_on_and_makes_room() {
    let (address, cancel, server) = start(2, HEAD).await;
    let began = Instant::now();
    let mut silent = TcpStream::connect(address).await.expect("connected");
    let mut slow = TcpStream::connect(address).await.expect("connected");
    slow.write_all(b"GET /boot.ipxe HT").await.expect("sent");
    let mut honest = TcpStream::connect(address).await.expect("connected, and waits for a place");
    honest.write_all(REQUEST).await.expect("sent");
    assert!(answer(&mut honest).await.starts_with("HTTP/1.1 200"), "it gets its answer");
    assert!(began.elapsed() >= HEAD, "once a place is free");
    let mut rest = Vec::new();
    for stream in [&mut silent, &mut slow] {
        // What is said in parting does not matter; the end does.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it is hung up on");
    }
    cancel.cancel();
    server.await.expect("it ends");
}

#[tokio::test]
async fn a_connection_is_kept_between_requests_but_not_for_ever() {
    let (address, cancel, server) = start(1, LONG).await;
    let mut stream = TcpStream::connect(address).await.expect("connected");
    for _ in 0..3 {
        stream.write_all(REQUEST).await.expect("sent");
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"));
    }
    let mut rest = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    ended.expect("an idle one is closed").expect("in order");
    cancel.cancel();
    server.await.expect("it ends");
}
