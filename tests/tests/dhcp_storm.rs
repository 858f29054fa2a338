//! Ten thousand machines that are switched on at once, through the real DHCP server and the real store: each has one
//! address of its own in the end, the store holds exactly what was acknowledged, and a flood of machines that do not
//! exist takes no more than the network has.
//!
//! Over loopback, through a relay, with as many clients under way at a time as a segment lets through. What is lost is
//! said again, as machines do: this is about leases, and `make bench` about time.

// Nothing here runs outside of tests, where a panic is how a test fails.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::{HashMap, HashSet},
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tempfile::TempDir;
use tokio::{net::UdpSocket, sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use underlay_core::Mac;
use underlay_metal::dhcp::{
    AddressRange, Advertise, Boot, Counters, Lease, LeaseState, Leases, Mode, Network, NetworkName, Ports,
    Server, Unknown, directory, leases, sighting::Unseen,
};
use underlay_store::{SealingKey, Store, dhcp_lease};

const RELAY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const MACHINES: u32 = 10_000;
const PATIENCE: Duration = Duration::from_secs(120);

/// Leases in a store, as the server keeps them.
struct InStore(Store);

#[async_trait]
impl Leases for InStore {
    async fn commit(&self, batch: Vec<Lease>) -> Result<(), leases::Error> {
        let rows: Vec<_> = batch.iter().map(row).collect();
        self.0.commit_dhcp_leases(&rows).await.map_err(|error| leases::Error(Box::new(error)))
    }

    async fn load(&self) -> Result<Vec<Lease>, leases::Error> {
        Ok(Vec::new())
    }
}

fn row(lease: &Lease) -> dhcp_lease::DhcpLease {
    dhcp_lease::DhcpLease {
        network: lease.network.as_str().to_owned(),
        address: lease.address,
        mac: lease.mac,
        state: match lease.state {
            LeaseState::Bound => dhcp_lease::LeaseState::Bound,
            LeaseState::Released => dhcp_lease::LeaseState::Released,
        },
        expires_at: lease.expires,
    }
}

/// A server over loopback with a relay in front of it.
struct Site {
    relay: UdpSocket,
    server: SocketAddr,
    store: Store,
    counters: Arc<Counters>,
    cancel: CancellationToken,
    running: JoinHandle<()>,
    _networks: watch::Sender<Arc<[Network]>>,
    folder: TempDir,
}

impl Site {
    async fn new(first: [u8; 4], last: [u8; 4]) -> Self {
        let folder = TempDir::new().unwrap();
        let database = folder.path().join("underlay.db");
        let store = Store::open(database.to_str().unwrap(), SealingKey::new(&[7; 32])).await.unwrap();
        let relay = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
        relay.set_reuse_address(true).unwrap();
        relay.set_nonblocking(true).unwrap();
        relay.bind(&SocketAddr::from((RELAY, 0)).into()).unwrap();
        let relay = UdpSocket::from_std(relay.into()).unwrap();
        let port = relay.local_addr().unwrap().port();
        let network = Network {
            name: NetworkName::new("boot"),
            cidr: "127.0.0.0/8".parse().unwrap(),
            ranges: vec![AddressRange { first: first.into(), last: last.into() }],
            gateway: None,
            dns: Vec::new(),
            domain: None,
            lease_time: Duration::from_secs(3600),
            mode: Mode::Server,
            unknown: Unknown::Discover,
            interface: None,
            server: Ipv4Addr::LOCALHOST,
            boot: Boot::at("http://127.0.0.1:8080"),
            advertise: Advertise::Nothing,
        };
        let (networks, receiver) = watch::channel(Arc::from([network]));
        let counters = Arc::<Counters>::default();
        let server = Server {
            networks: receiver,
            leases: Arc::new(InStore(store.clone())),
            directory: Arc::new(directory::Fixed::default()),
            sightings: Arc::new(Unseen),
            counters: Arc::clone(&counters),
            ports: Ports { server: port, ..Ports::default() },
        };
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let running = tokio::spawn(async move { server.run(stop).await.unwrap() });
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self { relay, server, store, counters, cancel, running, _networks: networks, folder }
    }

    /// The store, and the folder it lives in.
    async fn stop(self) -> (Store, TempDir) {
        self.cancel.cancel();
        self.running.await.unwrap();
        (self.store, self.folder)
    }
}

fn mac(n: u32) -> Mac {
    let [a, b, c, d] = n.to_be_bytes();
    Mac([0x52, 0x54, a, b, c, d])
}

fn datagram(kind: u8, n: u32, address: Option<Ipv4Addr>) -> Vec<u8> {
    let mut bytes = vec![0; 240];
    bytes[..3].copy_from_slice(&[1, 1, 6]);
    bytes[4..8].copy_from_slice(&n.to_be_bytes());
    bytes[24..28].copy_from_slice(&RELAY.octets());
    bytes[28..34].copy_from_slice(&mac(n).0);
    bytes[236..].copy_from_slice(&[99, 130, 83, 99]);
    bytes.extend([53, 1, kind]);
    if let Some(address) = address {
        bytes.extend([[50, 4].as_slice(), &address.octets(), &[54, 4], &[127, 0, 0, 1]].concat());
    }
    bytes.push(255);
    bytes
}

/// Message type, client and address of a reply.
fn read(reply: &[u8]) -> (u8, u32, Ipv4Addr) {
    let kind = reply[240..].windows(3).find(|window| window.starts_with(&[53, 1])).unwrap()[2];
    let address: [u8; 4] = reply[16..20].try_into().unwrap();
    (kind, u32::from_be_bytes(reply[4..8].try_into().unwrap()), address.into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_machines_at_once_each_get_an_address_that_is_kept() {
    let site = Site::new([127, 9, 0, 0], [127, 9, 255, 255]).await;
    let mut last: HashMap<u32, Vec<u8>> = (0..MACHINES).map(|n| (n, datagram(1, n, None))).collect();
    let mut acknowledged: HashMap<u32, Ipv4Addr> = HashMap::new();
    let (mut buffer, began) = ([0; 1500], Instant::now());
    // So many at a time that what is under way fits the least buffer a system gives.
    let mut waiting: Vec<u32> = (0..MACHINES).collect();
    let mut under_way = HashSet::new();
    while acknowledged.len() < MACHINES as usize {
        assert!(began.elapsed() < PATIENCE, "{} of {MACHINES} are leased", acknowledged.len());
        while under_way.len() < 128 {
            let Some(n) = waiting.pop() else { break };
            site.relay.send_to(&last[&n], site.server).await.unwrap();
            under_way.insert(n);
        }
        let heard = timeout(Duration::from_millis(300), site.relay.recv_from(&mut buffer)).await;
        let Ok(heard) = heard else {
            for n in &under_way {
                site.relay.send_to(&last[n], site.server).await.unwrap();
            }
            continue;
        };
        let (kind, n, address) = read(&buffer[..heard.unwrap().0]);
        match kind {
            2 if !acknowledged.contains_key(&n) => {
                last.insert(n, datagram(3, n, Some(address)));
                site.relay.send_to(&last[&n], site.server).await.unwrap();
            }
            5 => {
                let before = acknowledged.insert(n, address);
                assert!(before.is_none_or(|before| before == address), "{n} has two addresses");
                under_way.remove(&n);
            }
            2 => {}
            other => panic!("message type {other} for {n}"),
        }
    }
    let different: HashSet<_> = acknowledged.values().collect();
    assert_eq!(different.len(), MACHINES as usize, "an address was given twice");
    let committed = site.counters.committed.load(Ordering::Relaxed);
    let batches = site.counters.batches.load(Ordering::Relaxed);
    println!("{MACHINES} leased in {:?}, {committed} leases in {batches} commits", began.elapsed());
    assert!(batches * 2 < committed, "leases are written one by one");
    let (store, _folder) = site.stop().await;
    let kept: HashMap<Mac, Ipv4Addr> =
        store.dhcp_leases().await.unwrap().into_iter().map(|lease| (lease.mac, lease.address)).collect();
    let expected: HashMap<Mac, Ipv4Addr> =
        acknowledged.into_iter().map(|(n, address)| (mac(n), address)).collect();
    assert!(kept == expected, "{} leases are kept", kept.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_made_up_machines_takes_no_more_than_the_network_has_and_writes_nothing() {
    let site = Site::new([127, 9, 0, 0], [127, 9, 0, 99]).await;
    let began = Instant::now();
    let counter =
        |name: &str| site.counters.snapshot().into_iter().find(|(found, _)| *found == name).unwrap().1;
    let mut n = 0;
    while counter("offers") + counter("exhausted") < 20_000 {
        assert!(began.elapsed() < PATIENCE, "{:?}", site.counters.snapshot());
        for _ in 0..100 {
            n += 1;
            site.relay.send_to(&datagram(1, n, None), site.server).await.unwrap();
        }
        tokio::task::yield_now().await;
    }
    // An offer stands for half a minute, then the address is offered again.
    let rounds = 1 + began.elapsed().as_secs() / 30;
    assert!((1..=100 * rounds).contains(&counter("offers")), "{:?}", site.counters.snapshot());
    assert_eq!(counter("committed"), 0);
    let (store, _folder) = site.stop().await;
    assert!(store.dhcp_leases().await.unwrap().is_empty());
}
