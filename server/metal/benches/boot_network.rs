//! Figures of the boot network: durable leases per second, TFTP throughput, and a crowd of TFTP clients.
//!
//! Loopback only, no root. Leases are appended to a file that is synced before each batch counts as committed. With the
//! argument `serve`, it serves DHCP on the interface `s0` of its namespace until its standard input ends, for perfdhcp.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::{net::UdpSocket, sync::watch, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use underlay_metal::{
    dhcp::{
        self, AddressRange, Advertise, Boot, Lease, Leases, Mode, Network, NetworkName, Ports, Unknown,
        directory::Fixed, leases, sighting::Unseen,
    },
    tftp::{self, Content, Limits},
};

type Failure = Box<dyn std::error::Error>;

const RELAY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Appends each batch to a file and syncs it.
struct Journal(Mutex<File>);

impl Journal {
    fn open() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("underlay-leases-{}", std::process::id()));
        let file = OpenOptions::new().create_new(true).append(true).open(&path)?;
        std::fs::remove_file(path)?;
        Ok(Self(Mutex::new(file)))
    }
}

#[async_trait]
impl Leases for Journal {
    async fn commit(&self, batch: Vec<Lease>) -> Result<(), leases::Error> {
        let lines: String = batch.iter().map(|lease| format!("{lease:?}\n")).collect();
        let write = || {
            let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            file.write_all(lines.as_bytes())?;
            file.sync_data()
        };
        tokio::task::block_in_place(write).map_err(|error| leases::Error(error.into()))
    }

    async fn load(&self) -> Result<Vec<Lease>, leases::Error> {
        Ok(Vec::new())
    }
}

fn network(cidr: &str, server: Ipv4Addr, first: [u8; 4], last: [u8; 4]) -> Result<Network, Failure> {
    Ok(Network {
        name: NetworkName::new("bench"),
        cidr: cidr.parse()?,
        ranges: vec![AddressRange { first: first.into(), last: last.into() }],
        gateway: None,
        dns: Vec::new(),
        domain: None,
        lease_time: Duration::from_secs(3600),
        mode: Mode::Server,
        unknown: Unknown::Discover,
        interface: None,
        server,
        boot: Boot::at("http://127.0.0.1:8080"),
        advertise: Advertise::Nothing,
    })
}

async fn serve(network: Network, ports: Ports, cancel: CancellationToken) -> Result<(), Failure> {
    let (_networks, networks) = watch::channel(Arc::from([network]));
    let counters = Arc::<dhcp::Counters>::default();
    let server = dhcp::Server {
        networks,
        leases: Arc::new(Journal::open()?),
        directory: Arc::new(Fixed::default()),
        sightings: Arc::new(Unseen),
        counters: Arc::clone(&counters),
        ports,
    };
    server.run(cancel).await?;
    println!("dhcp counters: {:?}", counters.snapshot());
    Ok(())
}

fn datagram(kind: u8, n: u32, address: Option<Ipv4Addr>) -> Vec<u8> {
    let mut bytes = vec![0; 240];
    bytes.splice(..3, [1, 1, 6]);
    bytes.splice(4..8, n.to_be_bytes());
    bytes.splice(24..28, RELAY.octets());
    bytes.splice(28..34, [[0x52, 0x54].as_slice(), &n.to_be_bytes()].concat());
    bytes.splice(236..240, [99, 130, 83, 99]);
    bytes.extend([53, 1, kind]);
    if let Some(address) = address {
        bytes.extend(
            [[50, 4], [54, 4]]
                .iter()
                .zip([address, Ipv4Addr::LOCALHOST])
                .flat_map(|(head, address)| [head.as_slice(), &address.octets()].concat()),
        );
    }
    bytes.push(255);
    bytes
}

/// Keeps `window` machines asking at once until all are leased; a silent one asks again after 200 ms.
async fn leases(machines: u32, window: u32) -> Result<(), Failure> {
    let relay = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)?;
    relay.set_reuse_address(true)?;
    relay.set_nonblocking(true)?;
    relay.bind(&SocketAddr::from((RELAY, 0)).into())?;
    let relay = UdpSocket::from_std(relay.into())?;
    let port = relay.local_addr()?.port();
    let cancel = CancellationToken::new();
    let network = network("127.0.0.0/8", Ipv4Addr::LOCALHOST, [127, 1, 0, 0], [127, 200, 0, 0])?;
    let ports = Ports { server: port, ..Ports::default() };
    let stop = cancel.clone();
    let exchange = async {
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut pending: HashMap<u32, Vec<u8>> = HashMap::new();
        let (mut next, mut done, started) = (0, 0, Instant::now());
        let mut buffer = [0; 1500];
        while done < machines {
            while next < machines && pending.len() < window as usize {
                let discover = datagram(1, next, None);
                relay.send_to(&discover, server).await?;
                pending.insert(next, discover);
                next += 1;
            }
            let Ok(received) = timeout(Duration::from_millis(200), relay.recv_from(&mut buffer)).await else {
                for datagram in pending.values() {
                    relay.send_to(datagram, server).await?;
                }
                continue;
            };
            let reply = buffer.get(..received?.0).unwrap_or_default();
            let (Some(xid), Some(address), Some(kind)) = (
                reply.get(4..8),
                reply.get(16..20),
                reply.windows(3).skip(240).find(|w| w.starts_with(&[53, 1])),
            ) else {
                continue;
            };
            let n = u32::from_be_bytes(xid.try_into()?);
            let address: [u8; 4] = address.try_into()?;
            match kind.last() {
                Some(2) if pending.contains_key(&n) => {
                    let request = datagram(3, n, Some(address.into()));
                    relay.send_to(&request, server).await?;
                    pending.insert(n, request);
                }
                Some(5) => done += u32::from(pending.remove(&n).is_some()),
                _ => {}
            }
        }
        let took = started.elapsed();
        println!(
            "dhcp: {machines} machines leased in {took:.2?}: {:.0} durable leases/s",
            f64::from(machines) / took.as_secs_f64()
        );
        stop.cancel();
        Ok::<(), Failure>(())
    };
    let (served, exchanged) = tokio::join!(serve(network, ports, cancel), exchange);
    served.and(exchanged)
}

/// Reads a file in windows; gives its size.
async fn fetch(server: SocketAddr, block: usize, window: u64) -> Result<usize, Failure> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let request = format!("\0\x01f\0octet\0blksize\0{block}\0windowsize\0{window}\0");
    let mut buffer = vec![0; block + 4];
    let transfer = loop {
        socket.send_to(request.as_bytes(), server).await?;
        if let Ok(received) = timeout(Duration::from_secs(1), socket.recv_from(&mut buffer)).await {
            break received?.1;
        }
    };
    socket.connect(transfer).await?;
    socket.send(&[0, 4, 0, 0]).await?;
    let (mut size, mut number, mut in_window) = (0, 0u16, 0);
    loop {
        let received = timeout(Duration::from_millis(500), socket.recv(&mut buffer)).await;
        let expected = [[0, 3], number.wrapping_add(1).to_be_bytes()].concat();
        let mut last = false;
        match received {
            Ok(length) if buffer.starts_with(&expected) => {
                let content = length?.saturating_sub(4);
                (size, number, in_window, last) =
                    (size + content, number.wrapping_add(1), in_window + 1, content < block);
                if in_window < window && !last {
                    continue;
                }
            }
            Ok(length) if in_window == 0 => {
                length?;
                continue;
            }
            _ => {}
        }
        in_window = 0;
        let [high, low] = number.to_be_bytes();
        socket.send(&[0, 4, high, low]).await?;
        if last {
            return Ok(size);
        }
    }
}

async fn transfers(clients: usize, size: usize, block: usize, window: u64) -> Result<(), Failure> {
    let files = tftp::files::Fixed(HashMap::from([("f".into(), Content::Bytes(Bytes::from(vec![7; size])))]));
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let limits = Limits { per_client: clients, ..Limits::default() };
    let counters = Arc::<tftp::Counters>::default();
    let server = tftp::Server::bind(any, Arc::new(files), limits, Arc::clone(&counters)).await?;
    let (address, cancel) = (server.address(), CancellationToken::new());
    let running = tokio::spawn(server.run(cancel.clone()));
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        tasks.spawn(async move { fetch(address, block, window).await.map_err(|error| error.to_string()) });
    }
    let (mut got, mut failed) = (0, 0);
    while let Some(fetched) = tasks.join_next().await {
        match fetched? {
            Ok(size) => got += size,
            Err(_) => failed += 1,
        }
    }
    let took = started.elapsed();
    #[allow(clippy::cast_precision_loss)]
    let rate = got as f64 / took.as_secs_f64() / 1e6;
    println!(
        "tftp: {clients} x {size} bytes at {block} w{window}: {rate:.0} MB/s, {took:.2?}, {failed} failed"
    );
    cancel.cancel();
    running.await??;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    if std::env::args().any(|argument| argument == "serve") {
        let mut wide = network("10.0.0.0/8", [10, 0, 0, 1].into(), [10, 1, 0, 0], [10, 200, 255, 255])?;
        wide.interface = Some("s0".into());
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        std::thread::spawn(move || {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            stop.cancel();
        });
        return serve(wide, Ports::default(), cancel).await;
    }
    leases(20_000, 64).await?;
    leases(20_000, 512).await?;
    transfers(1, 64 << 20, 1468, 16).await?;
    transfers(1, 64 << 20, 1468, 1).await?;
    transfers(1, 64 << 20, 8192, 4).await?;
    transfers(1000, 1 << 20, 1468, 4).await
}
