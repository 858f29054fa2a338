//! The DHCP server as a task: one listener per interface and port, replaced as the networks change.
//!
//! It follows a watch channel of networks. A port that cannot be bound is a warning and is tried again: interfaces come
//! and go. Stopping it writes the leases that are still queued.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    commit,
    counters::Counters,
    directory::BootDirectory,
    leases::{self, Leases},
    network::{Advertise, Mode, Network, NetworkName},
    probe, ra,
    responder::{Responder, Service},
    sighting::{Limiter, Sightings},
    socket::{self, Listener, Shared},
    strangers::Strangers,
};

const RETRY: Duration = Duration::from_secs(5);

/// The UDP ports; others than the standard ones only in tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// 67.
    pub server: u16,
    /// 68.
    pub client: u16,
    /// 4011.
    pub boot_server: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Self { server: 67, client: 68, boot_server: 4011 }
    }
}

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The leases of an earlier run could not be read; without them addresses would be given twice.
    #[error("reading the leases failed")]
    LoadLeases(#[source] leases::Error),
}

/// A DHCP server for all boot networks.
pub struct Server {
    /// What to serve; each change replaces everything.
    pub networks: watch::Receiver<Arc<[Network]>>,
    /// Where leases are kept.
    pub leases: Arc<dyn Leases>,
    /// Who boots what.
    pub directory: Arc<dyn BootDirectory>,
    /// Where observations go.
    pub sightings: Arc<dyn Sightings>,
    /// What is counted.
    pub counters: Arc<Counters>,
    /// Where to listen.
    pub ports: Ports,
}

/// What has to run for the networks as they are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Listen(Service, Option<String>),
    Advertise(String, Option<ipnet::Ipv6Net>),
    Probe(String, NetworkName),
}

impl Server {
    /// Runs until cancelled.
    pub async fn run(mut self, cancel: CancellationToken) -> Result<(), Error> {
        let leases = self.leases.load().await.map_err(Error::LoadLeases)?;
        info!(leases = leases.len(), "dhcp leases read");
        let (commits, queue) = mpsc::channel(commit::QUEUE);
        let shared = Arc::new(Shared {
            responder: Responder::new(Arc::clone(&self.directory), self.ports, &leases),
            sightings: Arc::clone(&self.sightings),
            limiter: Mutex::new(Limiter::new(Instant::now())),
            counters: Arc::clone(&self.counters),
            commits,
            strangers: Strangers::default(),
            probe: probe::mac(),
        });
        let writer = commit::run(Arc::clone(&self.leases), queue, Arc::clone(&self.counters));
        let (_, ()) = tokio::join!(self.follow(shared, cancel), writer);
        Ok(())
    }

    /// Keeps the parts that the networks need running; dropping `shared` at the end lets the writer finish.
    async fn follow(&mut self, shared: Arc<Shared>, cancel: CancellationToken) {
        let mut running: BTreeMap<Part, CancellationToken> = BTreeMap::new();
        let mut tasks = JoinSet::new();
        loop {
            let networks = checked(&self.networks.borrow_and_update());
            let wanted = parts(&networks);
            shared.strangers.keep_only(&networks);
            shared.responder.serve(networks);
            running.retain(|part, token| {
                let keep = wanted.contains(part);
                if !keep {
                    token.cancel();
                }
                keep
            });
            for part in wanted {
                running.entry(part).or_insert_with_key(|part| {
                    let token = cancel.child_token();
                    let run = keep_running(part.clone(), Arc::clone(&shared), self.ports);
                    tasks.spawn(token.clone().run_until_cancelled_owned(run));
                    token
                });
            }
            tokio::select! {
                () = cancel.cancelled() => break,
                changed = self.networks.changed() => if changed.is_err() {
                    cancel.cancelled().await;
                    break;
                },
                Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            }
        }
        while tasks.join_next().await.is_some() {}
    }
}

fn checked(networks: &[Network]) -> Arc<[Network]> {
    let good = |network: &&Network| match network.check() {
        Ok(()) => true,
        Err(error) => {
            warn!(network = %network.name, %error, "network not served");
            false
        }
    };
    networks.iter().filter(good).cloned().collect()
}

fn parts(networks: &[Network]) -> BTreeSet<Part> {
    let mut parts = BTreeSet::new();
    for network in networks.iter().filter(|network| network.mode != Mode::Off) {
        parts.insert(Part::Listen(Service::Dhcp, network.interface.clone()));
        if network.mode == Mode::Proxy {
            parts.insert(Part::Listen(Service::BootServer, network.interface.clone()));
        }
        if let (Mode::Server, Some(interface)) = (network.mode, &network.interface) {
            parts.insert(Part::Probe(interface.clone(), network.name.clone()));
        }
        let prefix = match network.advertise {
            Advertise::Nothing => continue,
            Advertise::Presence => None,
            Advertise::Prefix(prefix) => Some(prefix),
        };
        parts.extend(network.interface.clone().map(|interface| Part::Advertise(interface, prefix)));
    }
    parts
}

/// Runs one part for ever, starting it again when it fails.
async fn keep_running(part: Part, shared: Arc<Shared>, ports: Ports) {
    loop {
        let error = match &part {
            Part::Listen(service, interface) => listen(&shared, *service, interface.clone(), ports).await,
            Part::Advertise(interface, prefix) => ra::run(interface, *prefix, &shared.counters).await,
            Part::Probe(interface, network) => probe::run(&shared, interface, network, ports).await,
        };
        if let Err(error) = error {
            warn!(?part, %error, retry_seconds = RETRY.as_secs(), "boot network service not running");
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn listen(
    shared: &Arc<Shared>,
    service: Service,
    interface: Option<String>,
    ports: Ports,
) -> std::io::Result<()> {
    let port = match service {
        Service::Dhcp => ports.server,
        Service::BootServer => ports.boot_server,
    };
    let socket = Arc::new(socket::bind(interface.as_deref(), port)?);
    info!(interface, port, "listening for dhcp");
    let _bound = Bound::new(&shared.counters);
    Listener { shared: Arc::clone(shared), socket, interface, service }.run().await
}

/// Counts a socket for as long as it is bound.
struct Bound<'a>(&'a Counters);

impl<'a> Bound<'a> {
    fn new(counters: &'a Counters) -> Self {
        counters.listeners.fetch_add(1, Ordering::Relaxed);
        Self(counters)
    }
}

impl Drop for Bound<'_> {
    fn drop(&mut self) {
        self.0.listeners.fetch_sub(1, Ordering::Relaxed);
    }
}
