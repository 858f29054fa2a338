//! The installed system's own network on the wire, both ways.

use underlay_core::machine::{Address, Bond, Dns, Network, Vlan};
use underlay_proto::v1 as pb;

use super::faults::Faults;

/// The longest name of a link, in bytes; the kernel's own limit is checked with the spec.
const LINK: usize = 64;

/// Reads a network; faults stand under `network.`.
pub(crate) fn network(faults: &mut Faults, message: pb::MachineNetwork) -> Network {
    let bonds = faults
        .map("network.bonds", message.bonds)
        .into_iter()
        .map(|(name, message)| {
            let path = format!("network.bonds.{name}");
            let bond = bond(faults, &path, message);
            (name, bond)
        })
        .collect();
    let vlans = faults
        .map("network.vlans", message.vlans)
        .into_iter()
        .map(|(name, message)| {
            let path = format!("network.vlans.{name}");
            let vlan = vlan(faults, &path, message);
            (name, vlan)
        })
        .collect();
    let addresses = faults
        .map("network.addresses", message.addresses)
        .into_iter()
        .map(|(name, message)| {
            let path = format!("network.addresses.{name}");
            let address = address(faults, &path, message);
            (name, address)
        })
        .collect();
    let servers = faults
        .list("network.dns.servers", message.dns_servers)
        .iter()
        .enumerate()
        .filter_map(|(at, server)| faults.parse(&format!("network.dns.servers.{at}"), server))
        .collect();
    let search = faults
        .list("network.dns.search", message.dns_search)
        .into_iter()
        .enumerate()
        .map(|(at, domain)| faults.text(&format!("network.dns.search.{at}"), domain, 253))
        .collect();
    Network { bonds, vlans, addresses, dns: Dns { servers, search } }
}

fn bond(faults: &mut Faults, path: &str, message: pb::Bond) -> Bond {
    let at = format!("{path}.nics");
    let nics = faults.list(&at, message.nics);
    Bond {
        nics: nics.into_iter().map(|nic| faults.text(&at, nic, LINK)).collect(),
        mode: faults.text(&format!("{path}.mode"), message.mode, 32),
        mtu: mtu(faults, path, message.mtu),
    }
}

fn vlan(faults: &mut Faults, path: &str, message: pb::Vlan) -> Vlan {
    Vlan {
        link: faults.text(&format!("{path}.link"), message.link, LINK),
        id: faults.narrow(&format!("{path}.id"), message.id).unwrap_or(1),
        mtu: mtu(faults, path, message.mtu),
    }
}

/// 0 keeps the default; 68 is the least an IPv4 link may have (RFC 791).
fn mtu(faults: &mut Faults, path: &str, mtu: u32) -> Option<u16> {
    let path = format!("{path}.mtu");
    match mtu {
        0 => None,
        1..68 => {
            faults.add(path, "use 68 to 65535");
            None
        }
        _ => faults.narrow(&path, mtu),
    }
}

fn address(faults: &mut Faults, path: &str, message: pb::LinkAddress) -> Address {
    let cidrs = faults
        .list(&format!("{path}.cidrs"), message.cidrs)
        .iter()
        .enumerate()
        .filter_map(|(at, cidr)| faults.parse(&format!("{path}.cidrs.{at}"), cidr))
        .collect();
    Address {
        cidrs,
        gateway: faults.parse_optional(&format!("{path}.gateway"), &message.gateway),
        dhcp: message.dhcp,
    }
}

/// Spells a network.
pub(crate) fn message(network: &Network) -> pb::MachineNetwork {
    let mtu = |mtu: Option<u16>| mtu.map(u32::from).unwrap_or_default();
    let bond =
        |bond: &Bond| pb::Bond { nics: bond.nics.clone(), mode: bond.mode.clone(), mtu: mtu(bond.mtu) };
    let vlan = |vlan: &Vlan| pb::Vlan { link: vlan.link.clone(), id: vlan.id.into(), mtu: mtu(vlan.mtu) };
    let address = |address: &Address| pb::LinkAddress {
        cidrs: address.cidrs.iter().map(ToString::to_string).collect(),
        gateway: address.gateway.map(|gateway| gateway.to_string()).unwrap_or_default(),
        dhcp: address.dhcp,
    };
    pb::MachineNetwork {
        bonds: network.bonds.iter().map(|(name, it)| (name.clone(), bond(it))).collect(),
        vlans: network.vlans.iter().map(|(name, it)| (name.clone(), vlan(it))).collect(),
        addresses: network.addresses.iter().map(|(name, it)| (name.clone(), address(it))).collect(),
        dns_servers: network.dns.servers.iter().map(ToString::to_string).collect(),
        dns_search: network.dns.search.clone(),
    }
}
