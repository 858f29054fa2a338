//! `network-config`: the installed system's network in cloud-init's version 2, which is netplan's.
//!
//! The boot NIC is known by its MAC, other NICs by the names the user gave: those the installed system will use.

use std::{collections::BTreeMap, net::IpAddr};

use serde::Serialize;
use underlay_core::{
    Mac,
    machine::{Address, Network},
};

use super::Error;

/// The name under which users mean the NIC that the host booted over.
pub(super) const BOOT: &str = "boot";

#[derive(Default, Serialize)]
struct Config {
    version: u8,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    ethernets: BTreeMap<String, Link>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    bonds: BTreeMap<String, Link>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    vlans: BTreeMap<String, Link>,
}

#[derive(Default, Serialize)]
struct Link {
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    matching: Option<Match>,
    #[serde(rename = "set-name", skip_serializing_if = "Option::is_none")]
    set_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    interfaces: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Parameters>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<u16>,
    dhcp4: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    addresses: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<Route>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nameservers: Option<Nameservers>,
}

#[derive(Serialize)]
struct Match {
    macaddress: String,
}

#[derive(Serialize)]
struct Parameters {
    mode: String,
    #[serde(rename = "mii-monitor-interval")]
    mii_monitor_interval: u32,
}

#[derive(Serialize)]
struct Route {
    to: &'static str,
    via: IpAddr,
}

#[derive(Clone, Serialize)]
struct Nameservers {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    addresses: Vec<IpAddr>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    search: Vec<String>,
}

/// `network-config`. Without a network of its own the system asks DHCP on the NIC it booted over.
pub(super) fn config(network: Option<&Network>, boot_mac: Option<Mac>) -> Result<String, Error> {
    let config = match network {
        Some(network) => given(network, boot_mac),
        None => default(boot_mac),
    };
    serde_json::to_string(&config).map_err(|source| Error::Document { name: "network-config", source })
}

fn default(boot_mac: Option<Mac>) -> Config {
    let link = Link { dhcp4: true, ..nic(BOOT, boot_mac) };
    Config { version: 2, ethernets: [(BOOT.to_owned(), link)].into(), ..Config::default() }
}

fn given(network: &Network, boot_mac: Option<Mac>) -> Config {
    let mut config = Config { version: 2, ..Config::default() };
    for name in network.nics() {
        config.ethernets.insert(name.to_owned(), addressed(nic(name, boot_mac), network, name));
    }
    for (name, bond) in &network.bonds {
        let parameters = Parameters { mode: bond.mode.clone(), mii_monitor_interval: 100 };
        let link = Link {
            interfaces: bond.nics.clone(),
            parameters: Some(parameters),
            mtu: bond.mtu,
            ..Link::default()
        };
        config.bonds.insert(name.clone(), addressed(link, network, name));
    }
    for (name, vlan) in &network.vlans {
        let link =
            Link { id: Some(vlan.id), link: Some(vlan.link.clone()), mtu: vlan.mtu, ..Link::default() };
        config.vlans.insert(name.clone(), addressed(link, network, name));
    }
    config
}

/// A NIC: known by MAC where it is the boot NIC, else by the name the installed system gives it. The boot NIC is renamed,
/// because what cloud-init writes for systemd-networkd and ifupdown matches by name, whatever else it matches by.
fn nic(name: &str, boot_mac: Option<Mac>) -> Link {
    let mac = boot_mac.filter(|_| name == BOOT);
    Link {
        set_name: mac.map(|_| BOOT.to_owned()),
        matching: mac.map(|mac| Match { macaddress: mac.to_string() }),
        ..Link::default()
    }
}

fn addressed(link: Link, network: &Network, name: &str) -> Link {
    let Some(address) = network.addresses.get(name) else { return link };
    let Address { cidrs, gateway, dhcp } = address;
    let dns = &network.dns;
    let named = !dns.servers.is_empty() || !dns.search.is_empty();
    Link {
        dhcp4: dhcp.unwrap_or(cidrs.is_empty()),
        addresses: cidrs.iter().map(ToString::to_string).collect(),
        routes: gateway.iter().map(|via| Route { to: "default", via: *via }).collect(),
        nameservers: named
            .then(|| Nameservers { addresses: dns.servers.clone(), search: dns.search.clone() }),
        ..link
    }
}
