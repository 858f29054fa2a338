//! DHCP's traits over projection and store: who boots what, and leases that are durable before a client hears of them.

use std::{
    net::{IpAddr, Ipv4Addr, UdpSocket},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use underlay_core::{Mac, boot::Plan, network};
use underlay_metal::{
    dhcp::{
        AddressRange, Advertise, Boot, BootAnswer, BootDirectory, Lease, LeaseState, Leases, Loader, Mode,
        Network, NetworkName, leases,
    },
    http::uki,
};
use underlay_store::{Store, dhcp_lease};

use super::projection::Projection;

/// Where machines boot from.
pub struct Place {
    /// Port of the boot endpoint.
    pub port: u16,
    /// Directory with what it serves as the agent.
    pub ramdisk: PathBuf,
}

impl Place {
    /// Firmware that boots by HTTP gets the agent as one program where that was built.
    fn boot(&self, base: &str) -> Boot {
        match uki::is_in(&self.ramdisk) {
            true => Boot::at(base).with_uki(base),
            false => Boot::at(base),
        }
    }
}

/// A network as DHCP serves it.
///
/// # Errors
/// In words, where it cannot be served on this server.
pub fn served(name: &str, spec: &network::Spec, from: &Place) -> Result<Network, String> {
    let (server, interface) = place(spec).ok_or_else(|| {
        format!("this server has no address in {}; is the interface up, or is a relay missing?", spec.cidr)
    })?;
    let ranges = spec.dhcp.range.map(|(first, last)| AddressRange { first, last });
    let network = Network {
        name: NetworkName::new(name),
        cidr: spec.cidr,
        ranges: ranges.into_iter().collect(),
        gateway: spec.gateway,
        dns: spec.dns.clone(),
        domain: spec.domain.clone(),
        lease_time: Duration::from_secs(spec.dhcp.lease_seconds.into()),
        mode: spec.dhcp.mode,
        unknown: spec.unknown(),
        interface,
        server,
        boot: from.boot(&format!("http://{server}:{}", from.port)),
        advertise: match spec.dhcp.mode {
            Mode::Server => Advertise::Presence,
            Mode::Proxy | Mode::Off => Advertise::Nothing,
        },
    };
    network.check().map_err(|error| error.to_string())?;
    Ok(network)
}

/// The server's own address in a network and its interface: of the one that was named, or of the first with an address
/// in the CIDR. A network reached only through relays has neither; then the address of the way to it is used.
fn place(spec: &network::Spec) -> Option<(Ipv4Addr, Option<String>)> {
    let wanted = spec.dhcp.interface.as_deref();
    let here = if_addrs::get_if_addrs().unwrap_or_default().into_iter().find_map(|interface| {
        let IpAddr::V4(address) = interface.ip() else { return None };
        let named = wanted.is_none_or(|wanted| wanted == interface.name);
        (named && spec.cidr.contains(&address)).then_some((address, Some(interface.name)))
    });
    here.or_else(|| Some((way_to(spec)?, spec.dhcp.interface.clone())))
}

/// The source address that a packet into the network would have. No packet is sent.
fn way_to(spec: &network::Spec) -> Option<Ipv4Addr> {
    let target = spec.cidr.hosts().next()?;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((target, 9)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(address) if !address.is_loopback() => Some(address),
        _ => None,
    }
}

/// Who boots what, from the projection.
pub struct Directory(pub Arc<Projection>);

impl BootDirectory for Directory {
    fn lookup(&self, mac: Mac, network: &NetworkName) -> Option<BootAnswer> {
        let address = self.0.reserved_for(mac, network.as_str());
        let hostname = self.0.name_of(mac);
        let loader = match self.0.host_of(mac) {
            Some((_, Plan::Agent { .. })) => Loader::Network,
            Some((_, Plan::LocalDisk)) => Loader::Nothing,
            None => {
                return address.map(|address| BootAnswer {
                    address: Some(address),
                    loader: Loader::Nothing,
                    hostname: None,
                });
            }
        };
        Some(BootAnswer { address, loader, hostname })
    }

    fn reserved(&self, address: Ipv4Addr, network: &NetworkName) -> Option<Mac> {
        self.0.reserver_of(address, network.as_str())
    }
}

/// Leases in the store.
pub struct Durable(pub Store);

#[async_trait]
impl Leases for Durable {
    async fn commit(&self, batch: Vec<Lease>) -> Result<(), leases::Error> {
        let rows: Vec<_> = batch
            .into_iter()
            .map(|lease| dhcp_lease::DhcpLease {
                network: lease.network.as_str().to_owned(),
                address: lease.address,
                mac: lease.mac,
                state: match lease.state {
                    LeaseState::Bound => dhcp_lease::LeaseState::Bound,
                    LeaseState::Released => dhcp_lease::LeaseState::Released,
                },
                expires_at: lease.expires,
            })
            .collect();
        self.0.commit_dhcp_leases(&rows).await.map_err(|error| leases::Error(Box::new(error)))
    }

    async fn load(&self) -> Result<Vec<Lease>, leases::Error> {
        let rows = self.0.dhcp_leases().await.map_err(|error| leases::Error(Box::new(error)))?;
        let lease = |row: dhcp_lease::DhcpLease| Lease {
            network: NetworkName::new(row.network.as_str()),
            address: row.address,
            mac: row.mac,
            state: match row.state {
                dhcp_lease::LeaseState::Bound => LeaseState::Bound,
                dhcp_lease::LeaseState::Released | dhcp_lease::LeaseState::Declined => LeaseState::Released,
            },
            expires: row.expires_at,
        };
        Ok(rows.into_iter().map(lease).collect())
    }
}
