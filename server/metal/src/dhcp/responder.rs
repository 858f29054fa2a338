//! A request in, a verdict out: which network it belongs to, whether that network answers, and with what.
//!
//! No I/O and no clock of its own. `server.rs` answers where we hand out addresses, `proxy.rs` beside another server.
//! Invariant: an address is only ever in a [`Verdict::Commit`], so nobody is given one before its lease is durable.

mod proxy;
mod server;

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddrV4},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use dhcproto::v4::MessageType;
use jiff::Timestamp;

use super::{
    directory::{BootDirectory, Loader},
    leases::Lease,
    network::{Mode, Network, NetworkName, Unknown},
    pool::Pool,
    reply::{self, Reply},
    request::Request,
    server::Ports,
};

/// Which of our ports a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// 67.
    Dhcp,
    /// 4011, where PXE clients ask a proxyDHCP server for their boot file.
    BootServer,
}

/// How a request came in.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The interface; none on a server that only hears relays.
    pub interface: Option<&'a str>,
    /// The port.
    pub service: Service,
    /// The sender, a relay or the client.
    pub from: SocketAddrV4,
}

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// OFFER, ACK or NAK.
    pub kind: MessageType,
    /// Where to.
    pub to: SocketAddrV4,
    /// What.
    pub bytes: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// No network of ours is on that interface or behind that relay.
    NoNetwork,
    /// The network leaves machines that no host claims alone.
    UnknownMachine,
    /// The client has chosen another server.
    OtherServer,
    /// We know nothing of the address it asks about, and another server may (RFC 2131 section 4.3.2).
    NoRecord,
    /// There is nothing for this client to boot, and the address is somebody else's business.
    NothingToBoot,
    /// No address is left.
    Exhausted,
}

/// What to do about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Silent(Silence),
    /// Answer at once.
    Send(Outgoing),
    /// Make the lease durable, and only then answer, if there is an answer.
    Commit(Lease, Option<Outgoing>),
}

/// What was decided, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The network the request belongs to.
    pub network: Option<NetworkName>,
    /// The address it was offered or given.
    pub address: Option<Ipv4Addr>,
    /// The server that the machine has chosen on a network where it should have been us.
    pub stranger: Option<Ipv4Addr>,
    /// What to do.
    pub verdict: Verdict,
}

/// Decides about requests on all networks.
pub struct Responder {
    directory: Arc<dyn BootDirectory>,
    networks: RwLock<Arc<[Network]>>,
    pools: Mutex<HashMap<NetworkName, Pool>>,
    ports: Ports,
}

/// One request with all it is judged by.
struct Case<'a> {
    request: &'a Request,
    arrival: Arrival<'a>,
    network: &'a Network,
    reserved: Option<Ipv4Addr>,
    loader: Loader,
    hostname: Option<String>,
    directory: &'a dyn BootDirectory,
    ports: Ports,
    now: Timestamp,
}

impl Responder {
    /// Knows no network yet, and the leases that the store kept.
    pub fn new(directory: Arc<dyn BootDirectory>, ports: Ports, leases: &[Lease]) -> Self {
        let mut pools: HashMap<NetworkName, Pool> = HashMap::new();
        for lease in leases {
            pools.entry(lease.network.clone()).or_default().restore(lease);
        }
        Self { directory, networks: RwLock::new(Arc::new([])), pools: Mutex::new(pools), ports }
    }

    /// Replaces all networks; leases stay.
    pub fn serve(&self, networks: Arc<[Network]>) {
        *self.networks.write().unwrap_or_else(PoisonError::into_inner) = networks;
    }

    /// True for an address that we have on a network we serve.
    pub fn is_ours(&self, address: Ipv4Addr) -> bool {
        let networks = self.networks.read().unwrap_or_else(PoisonError::into_inner);
        networks.iter().any(|network| network.server == address)
    }

    /// Decides about one request.
    pub fn answer(
        &self,
        request: &Request,
        arrival: Arrival<'_>,
        now: Timestamp,
    ) -> Result<Answer, reply::Error> {
        let networks = Arc::clone(&self.networks.read().unwrap_or_else(PoisonError::into_inner));
        let Some(network) = network_of(&networks, request, arrival) else {
            let verdict = Verdict::Silent(Silence::NoNetwork);
            return Ok(Answer { network: None, address: None, stranger: None, verdict });
        };
        let silent = |reason| (None, Verdict::Silent(reason));
        let (address, verdict) = match self.case(request, arrival, network, now) {
            None => silent(Silence::UnknownMachine),
            Some(case) => match (network.mode, arrival.service) {
                (Mode::Off, _) | (Mode::Server, Service::BootServer) => silent(Silence::NoNetwork),
                (Mode::Proxy, _) => (None, proxy::answer(&case)?),
                (Mode::Server, Service::Dhcp) => {
                    let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
                    server::answer(&case, pools.entry(network.name.clone()).or_default())?
                }
            },
        };
        let elsewhere = network.mode == Mode::Server && verdict == Verdict::Silent(Silence::OtherServer);
        // A server that serves several networks may be known by its address on another one.
        let stranger = request.server.filter(|server| elsewhere && !self.is_ours(*server));
        Ok(Answer { network: Some(network.name.clone()), address, stranger, verdict })
    }

    /// None where the machine is nobody's and the network ignores such.
    fn case<'a>(
        &'a self,
        request: &'a Request,
        arrival: Arrival<'a>,
        network: &'a Network,
        now: Timestamp,
    ) -> Option<Case<'a>> {
        let known = self.directory.lookup(request.mac, &network.name);
        let loader = match (&known, network.unknown) {
            (Some(known), _) => known.loader.clone(),
            (None, Unknown::Discover) => Loader::Network,
            (None, Unknown::LocalDisk) => Loader::Nothing,
            (None, Unknown::Ignore) => return None,
        };
        let (reserved, hostname) = known.map_or((None, None), |known| (known.address, known.hostname));
        let directory = &*self.directory;
        Some(Case {
            request,
            arrival,
            network,
            reserved,
            loader,
            hostname,
            directory,
            ports: self.ports,
            now,
        })
    }
}

impl Case<'_> {
    fn reply(&self, kind: MessageType) -> Reply {
        Reply::to(self.request, self.network, kind)
    }

    fn outgoing(&self, kind: MessageType, reply: &Reply) -> Result<Outgoing, reply::Error> {
        let to = reply.destination(self.request, self.network, self.ports);
        Ok(Outgoing { kind, to, bytes: reply.encode()? })
    }
}

/// By what the relay says of the client's link; else by the address the client uses (a client behind a relay renews
/// without it); else by the interface, where the first network listed wins.
fn network_of<'a>(networks: &'a [Network], request: &Request, arrival: Arrival<'_>) -> Option<&'a Network> {
    let containing = |address: Ipv4Addr| {
        networks
            .iter()
            .filter(|network| network.cidr.contains(&address))
            .max_by_key(|network| network.cidr.prefix_len())
    };
    if request.is_relayed() {
        let link = request.relay.as_ref().and_then(|relay| relay.link);
        return containing(link.unwrap_or(request.giaddr));
    }
    let used = Some(request.ciaddr).filter(|ciaddr| !ciaddr.is_unspecified()).and_then(containing);
    used.or_else(|| {
        let interface = arrival.interface?;
        networks.iter().find(|network| network.interface.as_deref() == Some(interface))
    })
}

#[cfg(test)]
mod tests;
