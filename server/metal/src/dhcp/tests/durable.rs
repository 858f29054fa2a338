//! The whole server over loopback, asked through a relay: an ACK follows its write, and a killed server forgets nothing.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use dhcproto::v4::{Message, MessageType};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{net::UdpSocket, sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{Datagram, kind, mac, network, read};
use crate::dhcp::{
    Counters, Leases, Network, NetworkName, Ports, Server, Sighting, Sightings, Stranger, directory::Fixed,
    leases::Memory,
};

const RELAY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

#[derive(Default)]
struct Seen(Mutex<Vec<Sighting>>);

impl Sightings for Seen {
    fn saw(&self, sighting: Sighting) {
        self.0.lock().unwrap().push(sighting);
    }

    fn strangers(&self, _: &NetworkName, _: Vec<Stranger>) {}
}

/// A server on a port of its own, and a relay that talks to it.
struct Site {
    relay: UdpSocket,
    server: SocketAddr,
    leases: Arc<Memory>,
    seen: Arc<Seen>,
    counters: Arc<Counters>,
    networks: watch::Sender<Arc<[Network]>>,
    ports: Ports,
    running: JoinHandle<()>,
}

fn loopback() -> Network {
    let mut network = network();
    network.cidr = "127.0.0.0/8".parse().unwrap();
    network.ranges =
        vec![crate::dhcp::AddressRange { first: [127, 9, 0, 0].into(), last: [127, 9, 255, 255].into() }];
    network.interface = None;
    network.server = Ipv4Addr::LOCALHOST;
    network
}

impl Site {
    async fn new() -> Self {
        let relay = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
        relay.set_reuse_address(true).unwrap();
        relay.set_nonblocking(true).unwrap();
        relay.bind(&SocketAddr::from((RELAY, 0)).into()).unwrap();
        let relay = UdpSocket::from_std(relay.into()).unwrap();
        let port = relay.local_addr().unwrap().port();
        let (networks, _) = watch::channel(Arc::from([loopback()]));
        let mut site = Self {
            relay,
            server: SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into(),
            leases: Arc::default(),
            seen: Arc::default(),
            counters: Arc::default(),
            networks,
            ports: Ports { server: port, ..Ports::default() },
            running: tokio::spawn(async {}),
        };
        site.start();
        site
    }

    fn start(&mut self) {
        let leases: Arc<dyn Leases> = Arc::<Memory>::clone(&self.leases);
        let sightings: Arc<dyn Sightings> = Arc::<Seen>::clone(&self.seen);
        let server = Server {
            networks: self.networks.subscribe(),
            leases,
            directory: Arc::new(Fixed::default()),
            sightings,
            counters: Arc::clone(&self.counters),
            ports: self.ports,
        };
        self.running = tokio::spawn(async move { server.run(CancellationToken::new()).await.unwrap() });
    }

    /// As kill -9: nothing is flushed, only what was committed is left.
    async fn kill(&mut self) {
        self.running.abort();
        let _ = (&mut self.running).await;
    }

    /// Asks again every 100 ms until there is an answer, as clients do; none after a while.
    async fn ask(&self, datagram: &Datagram, attempts: u32) -> Option<Message> {
        let mut buffer = [0; 1500];
        for _ in 0..attempts {
            self.relay.send_to(&datagram.clone().giaddr(RELAY).bytes(), self.server).await.unwrap();
            let answer = timeout(Duration::from_millis(100), self.relay.recv_from(&mut buffer));
            if let Ok(Ok((size, _))) = answer.await {
                return Some(read(&buffer[..size]));
            }
        }
        None
    }

    async fn lease(&self, n: u32) -> Ipv4Addr {
        let offer = self.ask(&Datagram::new(MessageType::Discover, mac(n)), 50).await.unwrap();
        let ack = self.ask(&taking(n, offer.yiaddr()), 50).await.unwrap();
        assert_eq!(kind(&ack), MessageType::Ack);
        ack.yiaddr()
    }
}

fn taking(n: u32, address: Ipv4Addr) -> Datagram {
    Datagram::new(MessageType::Request, mac(n)).requested(address).server(Ipv4Addr::LOCALHOST)
}

#[tokio::test]
async fn a_killed_server_gives_each_mac_the_address_it_had() {
    let mut site = Site::new().await;
    let mut before = Vec::new();
    for n in 0..20 {
        before.push(site.lease(n).await);
    }
    site.kill().await;
    site.start();
    for n in (0..20).rev() {
        assert_eq!(site.lease(n).await, before[n as usize], "machine {n}");
    }
    assert!(!site.seen.0.lock().unwrap().is_empty());
    site.kill().await;
}

#[tokio::test]
async fn an_ack_is_withheld_while_the_store_fails_and_given_once_it_works() {
    let mut site = Site::new().await;
    let offer = site.ask(&Datagram::new(MessageType::Discover, mac(1)), 50).await.unwrap();
    site.leases.break_down();
    assert!(site.ask(&taking(1, offer.yiaddr()), 3).await.is_none());
    assert!(site.counters.commit_failures.load(Ordering::Relaxed) >= 1);
    assert_eq!(site.leases.load().await.unwrap(), []);
    site.leases.repair();
    let ack = site.ask(&taking(1, offer.yiaddr()), 50).await.unwrap();
    assert_eq!(kind(&ack), MessageType::Ack);
    assert_eq!(site.leases.load().await.unwrap().len(), 1);
    site.kill().await;
}

#[tokio::test]
async fn replacing_the_networks_takes_effect_without_a_restart() {
    let mut site = Site::new().await;
    let before = site.lease(1).await;
    let mut changed = loopback();
    changed.lease_time = Duration::from_secs(7200);
    site.networks.send_replace(Arc::from([changed]));
    let hours = [0, 0, 0x1c, 0x20];
    let renewal = Datagram::new(MessageType::Discover, mac(1));
    let seen = async {
        loop {
            let offer = site.ask(&renewal, 50).await.unwrap();
            assert_eq!(offer.yiaddr(), before);
            if super::option(&offer, dhcproto::v4::OptionCode::AddressLeaseTime).unwrap() == hours {
                return;
            }
        }
    };
    timeout(Duration::from_secs(10), seen).await.unwrap();
    site.kill().await;
}

#[tokio::test]
async fn a_stopped_server_gives_its_ports_back_at_once() {
    let site = Site::new().await;
    let cancel = CancellationToken::new();
    let server = Server {
        networks: site.networks.subscribe(),
        leases: Arc::new(Memory::default()),
        directory: Arc::new(Fixed::default()),
        sightings: Arc::new(Seen::default()),
        counters: Arc::default(),
        ports: site.ports,
    };
    let counters = Arc::clone(&server.counters);
    cancel.cancel();
    timeout(Duration::from_secs(5), server.run(cancel)).await.unwrap().unwrap();
    assert_eq!(counters.listeners.load(Ordering::Relaxed), 0);
    site.running.abort();
}
