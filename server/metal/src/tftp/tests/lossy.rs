//! A line between client and server that loses one packet in thirty, either way, the same ones for the same seed.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{net::UdpSocket, sync::watch, task::JoinSet};

pub(super) struct Line {
    pub address: SocketAddr,
    pub lost: Arc<AtomicU64>,
    _relay: JoinSet<()>,
}

/// Forwards packets; a client's packets go to the port that its transfer last sent from.
struct Relay {
    server: SocketAddr,
    lost: Arc<AtomicU64>,
    dice: AtomicU64,
}

impl Relay {
    fn loses(&self) -> bool {
        let n = self.dice.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let lost = (n ^ (n >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32;
        let lost = lost.is_multiple_of(30);
        self.lost.fetch_add(u64::from(lost), Ordering::Relaxed);
        lost
    }
}

impl Line {
    pub(super) async fn between(server: SocketAddr, seed: u64) -> Self {
        let near = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
        let address = near.local_addr().unwrap();
        let lost = Arc::<AtomicU64>::default();
        let relay = Arc::new(Relay { server, lost: Arc::clone(&lost), dice: AtomicU64::new(seed << 20) });
        let mut tasks = JoinSet::new();
        tasks.spawn(forward(near, relay));
        Self { address, lost, _relay: tasks }
    }
}

async fn forward(near: Arc<UdpSocket>, relay: Arc<Relay>) {
    let mut clients: HashMap<SocketAddr, (Arc<UdpSocket>, watch::Receiver<SocketAddr>)> = HashMap::new();
    let mut tasks = JoinSet::new();
    let mut buffer = vec![0; 70_000];
    loop {
        let (size, client) = near.recv_from(&mut buffer).await.unwrap();
        let fresh = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
        let (far, peer) = clients.entry(client).or_insert_with(|| {
            let (found, peer) = watch::channel(relay.server);
            tasks.spawn(back(Arc::clone(&near), Arc::clone(&fresh), found, client, Arc::clone(&relay)));
            (fresh, peer)
        });
        let peer = *peer.borrow();
        if !relay.loses() {
            far.send_to(&buffer[..size], peer).await.unwrap();
        }
    }
}

async fn back(
    near: Arc<UdpSocket>,
    far: Arc<UdpSocket>,
    found: watch::Sender<SocketAddr>,
    client: SocketAddr,
    relay: Arc<Relay>,
) {
    let mut buffer = vec![0; 70_000];
    while let Ok((size, from)) = far.recv_from(&mut buffer).await {
        found.send_replace(from);
        if !relay.loses() {
            near.send_to(&buffer[..size], client).await.unwrap();
        }
    }
}
