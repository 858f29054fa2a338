//! A crowd of TFTP clients in one process, which this benchmark starts on the clients' side (RFC 1350, 2347, 2348, 7440).
//!
//! Each compares every block with the file it knows. A client that hears nothing for a second repeats what it said
//! last, and gives up after the tenth time in a row, as patient firmware does.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{net::UdpSocket, task::JoinSet, time::timeout};

/// The word that makes this program a crowd of clients.
pub const ROLE: &str = "fetch";
const SILENCE: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 10;
/// How many clients share an address.
const PER_ADDRESS: u32 = 25;
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 1);

/// What a crowd is to fetch, as words on a command line.
#[derive(Clone, Debug)]
pub struct Order {
    pub name: String,
    pub path: String,
    pub clients: u32,
    pub block: usize,
    pub window: u64,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    pub failed: u32,
    pub repeats: u64,
    pub seconds: f64,
}

impl Order {
    pub fn words(&self) -> [String; 6] {
        let Self { name, path, clients, block, window } = self;
        [ROLE.into(), name.clone(), path.clone(), clients.to_string(), block.to_string(), window.to_string()]
    }

    fn read(words: &[String]) -> Result<Self> {
        let [_, name, path, clients, block, window] = words else { bail!("an order has five words") };
        let (clients, block, window) = (clients.parse()?, block.parse()?, window.parse()?);
        Ok(Self { name: name.clone(), path: path.clone(), clients, block, window })
    }
}

impl FromStr for Report {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [failed, repeats, seconds] = words[..] else { bail!("no report: {text}") };
        Ok(Self { failed: failed.parse()?, repeats: repeats.parse()?, seconds: seconds.parse()? })
    }
}

/// Is the crowd: fetches, and prints a report.
///
/// # Errors
/// The order makes no sense, or there are no sockets to be had.
pub fn main(words: &[String], server: SocketAddr) -> Result<()> {
    let order = Order::read(words)?;
    let most = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: most.maximum, maximum: most.maximum })?;
    let expected: Arc<[u8]> = fs::read(&order.path)?.into();
    let repeats = Arc::<AtomicU64>::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (failed, seconds) = runtime.block_on(async {
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for number in 0..order.clients {
            let (order, expected, repeats) = (order.clone(), Arc::clone(&expected), Arc::clone(&repeats));
            tasks.spawn(async move { fetch(number, server, &order, &expected, &repeats).await });
        }
        let mut failed = 0;
        while let Some(done) = tasks.join_next().await {
            if let Err(error) = done.context("a client broke")? {
                failed += 1;
                eprintln!("{error:#}");
            }
        }
        anyhow::Ok((failed, began.elapsed().as_secs_f64()))
    })?;
    println!("{failed} {} {seconds}", repeats.load(Ordering::Relaxed));
    Ok(())
}

async fn fetch(
    number: u32,
    server: SocketAddr,
    order: &Order,
    expected: &[u8],
    repeats: &AtomicU64,
) -> Result<()> {
    let address = Ipv4Addr::from(u32::from(FIRST) + number / PER_ADDRESS);
    let socket = UdpSocket::bind((address, 0)).await?;
    socket2::SockRef::from(&socket).set_recv_buffer_size(1 << 20)?;
    let mut request = format!("\0\x01{}\0octet\0blksize\0{}\0", order.name, order.block).into_bytes();
    if order.window > 1 {
        request.extend(format!("windowsize\0{}\0", order.window).bytes());
    }
    let (mut block, mut window) = (512, 1);
    let (mut received, mut unacknowledged, mut gap) = (0_u64, 0, false);
    let (mut last, mut to, mut silences) = (request, server, 0);
    let mut buffer = vec![0; order.block + 64];
    socket.send_to(&last, to).await?;
    loop {
        let Ok(heard) = timeout(SILENCE, socket.recv_from(&mut buffer)).await else {
            silences += 1;
            ensure!(silences <= ATTEMPTS, "silence after block {received}");
            repeats.fetch_add(1, Ordering::Relaxed);
            socket.send_to(&last, to).await?;
            continue;
        };
        let (size, from) = heard?;
        silences = 0;
        let packet = buffer.get(..size).unwrap_or_default();
        let mut finished = false;
        match packet {
            [0, 6, options @ ..] if received == 0 => {
                let words: Vec<&str> = std::str::from_utf8(options)?.split_terminator('\0').collect();
                for pair in words.chunks(2) {
                    match pair {
                        ["blksize", value] => block = value.parse()?,
                        ["windowsize", value] => window = value.parse()?,
                        _ => {}
                    }
                }
            }
            [0, 3, high, low, content @ ..] => {
                let here = u16::from_be_bytes([*high, *low]);
                if here == u16::try_from((received + 1) & 0xffff)? {
                    let at = usize::try_from(received)? * block;
                    let wanted = expected.get(at..).unwrap_or_default();
                    ensure!(wanted.starts_with(content), "block {} is not what it should be", received + 1);
                    finished = content.len() < block;
                    ensure!(!finished || wanted.len() == content.len(), "the file ends early");
                    received += 1;
                    unacknowledged += 1;
                    gap = false;
                    if unacknowledged < window && !finished {
                        continue;
                    }
                } else if gap || window == 1 {
                    continue;
                } else {
                    gap = true;
                    repeats.fetch_add(1, Ordering::Relaxed);
                }
                unacknowledged = 0;
            }
            [0, 5, ..] => bail!("refused: {}", String::from_utf8_lossy(packet)),
            _ => continue,
        }
        let [high, low] = u16::try_from(received & 0xffff)?.to_be_bytes();
        (last, to) = (vec![0, 4, high, low], from);
        socket.send_to(&last, to).await?;
        if finished {
            return Ok(());
        }
    }
}
