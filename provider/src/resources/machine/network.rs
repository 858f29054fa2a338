//! The installed system's own network: schema, to the API, and back.

use std::collections::BTreeMap;

use tfplugin::{Attr, Schema, schema::validate};
use underlay_proto::v1 as pb;

use crate::written::{Fit, entries, nested, plain, seen_list, seen_map, seen_number, seen_text};

/// The installed system's own network, by link name. A link named nowhere else is a NIC of the host; `boot` is the one it
/// boots over.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Network {
    /// Bonds.
    #[tf(optional)]
    pub bonds: Attr<BTreeMap<String, Bond>>,
    /// VLANs.
    #[tf(optional)]
    pub vlans: Attr<BTreeMap<String, Vlan>>,
    /// Addresses.
    #[tf(optional)]
    pub addresses: Attr<BTreeMap<String, Address>>,
    /// Name servers.
    #[tf(optional)]
    pub dns: Attr<Dns>,
}

/// A bond.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Bond {
    /// Its NICs.
    #[tf(required)]
    pub nics: Attr<Vec<String>>,
    /// Linux bonding mode, such as `802.3ad` or `active-backup`.
    #[tf(required)]
    pub mode: Attr<String>,
    /// MTU in bytes.
    #[tf(optional, validate = validate::between(68..=65535))]
    pub mtu: Attr<u32>,
}

/// A VLAN.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Vlan {
    /// The NIC or bond it rides on.
    #[tf(required)]
    pub link: Attr<String>,
    /// 1 to 4094.
    #[tf(required, validate = validate::between(1..=4094))]
    pub id: Attr<u32>,
    /// MTU in bytes.
    #[tf(optional, validate = validate::between(68..=65535))]
    pub mtu: Attr<u32>,
}

/// Addresses of a link.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Address {
    /// Static addresses with prefix length; none means DHCP.
    #[tf(optional)]
    pub cidrs: Attr<Vec<String>>,
    /// Default route.
    #[tf(optional)]
    pub gateway: Attr<String>,
    /// Ask DHCP as well as, or instead of, static addresses.
    #[tf(optional)]
    pub dhcp: Attr<bool>,
}

/// Name servers.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Dns {
    /// Addresses of name servers.
    #[tf(optional)]
    pub servers: Attr<Vec<String>>,
    /// Search domains.
    #[tf(optional)]
    pub search: Attr<Vec<String>>,
}

/// To the API.
pub(super) fn message(network: &Network) -> Fit<pb::MachineNetwork> {
    let dns = nested(&network.dns, |dns| Ok((plain(&dns.servers)?, plain(&dns.search)?)))?;
    let (dns_servers, dns_search) = dns.unwrap_or_default();
    Ok(pb::MachineNetwork {
        bonds: entries(&network.bonds, |bond| {
            Ok(pb::Bond { nics: plain(&bond.nics)?, mode: plain(&bond.mode)?, mtu: plain(&bond.mtu)? })
        })?,
        vlans: entries(&network.vlans, |vlan| {
            Ok(pb::Vlan { link: plain(&vlan.link)?, id: plain(&vlan.id)?, mtu: plain(&vlan.mtu)? })
        })?,
        addresses: entries(&network.addresses, |address| {
            let dhcp = nested(&address.dhcp, |dhcp| Ok(*dhcp))?;
            Ok(pb::LinkAddress { cidrs: plain(&address.cidrs)?, gateway: plain(&address.gateway)?, dhcp })
        })?,
        dns_servers,
        dns_search,
    })
}

/// Back from the API; `prior` tells what was left out from what was written empty.
pub(super) fn seen(prior: &Attr<Network>, network: &pb::MachineNetwork) -> Attr<Network> {
    if prior.is_null() && *network == pb::MachineNetwork::default() {
        return Attr::Null;
    }
    let before = prior.clone().unwrap_or_default();
    let (bonds, vlans, addresses) =
        (written(&before.bonds), written(&before.vlans), written(&before.addresses));
    let bond = |(name, bond): (&String, &pb::Bond)| {
        let prior = bonds.get(name).cloned().unwrap_or_default();
        let (nics, mtu) = (seen_list(&prior.nics, bond.nics.clone()), seen_number(&prior.mtu, bond.mtu));
        (name.clone(), Bond { nics, mode: seen_text(&bond.mode), mtu })
    };
    let vlan = |(name, vlan): (&String, &pb::Vlan)| {
        let prior = vlans.get(name).cloned().unwrap_or_default();
        let mtu = seen_number(&prior.mtu, vlan.mtu);
        (name.clone(), Vlan { link: seen_text(&vlan.link), id: vlan.id.into(), mtu })
    };
    let address = |(name, address): (&String, &pb::LinkAddress)| {
        let prior = addresses.get(name).cloned().unwrap_or_default();
        let cidrs = seen_list(&prior.cidrs, address.cidrs.clone());
        (name.clone(), Address { cidrs, gateway: seen_text(&address.gateway), dhcp: address.dhcp.into() })
    };
    let seen = Network {
        bonds: seen_map(&before.bonds, network.bonds.iter().map(bond).collect()),
        vlans: seen_map(&before.vlans, network.vlans.iter().map(vlan).collect()),
        addresses: seen_map(&before.addresses, network.addresses.iter().map(address).collect()),
        dns: seen_dns(&before.dns, network),
    };
    seen.into()
}

fn written<T: Clone>(map: &Attr<BTreeMap<String, T>>) -> BTreeMap<String, T> {
    map.clone().unwrap_or_default()
}

fn seen_dns(prior: &Attr<Dns>, network: &pb::MachineNetwork) -> Attr<Dns> {
    let before = prior.clone().unwrap_or_default();
    let servers = seen_list(&before.servers, network.dns_servers.clone());
    let search = seen_list(&before.search, network.dns_search.clone());
    let seen = Dns { servers, search };
    if prior.is_null() && seen == Dns::default() { Attr::Null } else { seen.into() }
}
