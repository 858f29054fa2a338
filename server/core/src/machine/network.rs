//! The installed system's own network, as users write it; rendered to cloud-init network config v2 elsewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::FieldError;

const BOND_MODES: [&str; 7] =
    ["balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"];

/// Bonds, VLANs and addresses by link name. A link named nowhere else is a NIC of the host; `boot` is the boot NIC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// Bonds by name.
    pub bonds: BTreeMap<String, Bond>,
    /// Tagged VLANs by name.
    pub vlans: BTreeMap<String, Vlan>,
    /// Addresses by link name.
    pub addresses: BTreeMap<String, Address>,
    /// Name servers of the whole system.
    pub dns: Dns,
}

/// A bond of NICs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bond {
    /// Its NICs.
    pub nics: Vec<String>,
    /// Linux bonding mode.
    pub mode: String,
    /// MTU in bytes.
    pub mtu: Option<u16>,
}

/// A tagged VLAN (IEEE 802.1Q).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vlan {
    /// The link it rides on.
    pub link: String,
    /// Tag, 1 to 4094.
    pub id: u16,
    /// MTU in bytes.
    pub mtu: Option<u16>,
}

/// Addresses of one link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Address {
    /// Static addresses with prefix length; empty means DHCP.
    pub cidrs: Vec<IpNet>,
    /// Default route.
    pub gateway: Option<IpAddr>,
    /// Ask DHCP as well as, or instead of, static addresses.
    pub dhcp: Option<bool>,
}

/// Name servers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dns {
    /// Servers.
    pub servers: Vec<IpAddr>,
    /// Search domains.
    pub search: Vec<String>,
}

/// A Linux interface name: 1 to 15 characters without `/`, `:` and white space.
fn is_link_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

impl Network {
    /// Every NIC that is named: all links that are neither bond nor VLAN.
    pub fn nics(&self) -> BTreeSet<&str> {
        let members = self.bonds.values().flat_map(|bond| bond.nics.iter());
        let links = self.vlans.values().map(|vlan| &vlan.link);
        members
            .chain(links)
            .chain(self.addresses.keys())
            .filter(|name| !self.bonds.contains_key(*name) && !self.vlans.contains_key(*name))
            .map(String::as_str)
            .collect()
    }

    pub(super) fn validate(&self, errors: &mut Vec<FieldError>) {
        let mut used = BTreeMap::new();
        for (name, bond) in &self.bonds {
            let path = |field: &str| format!("network.bonds.{name}{field}");
            if !is_link_name(name) {
                errors.push(FieldError::new(
                    path(""),
                    "an interface name has 1 to 15 of a-z, 0-9, '.', '-' and '_'",
                ));
            }
            if !BOND_MODES.contains(&bond.mode.as_str()) {
                errors.push(FieldError::new(path(".mode"), format!("use one of {}", BOND_MODES.join(", "))));
            }
            if bond.nics.is_empty() {
                errors.push(FieldError::new(path(".nics"), "a bond needs at least one NIC"));
            }
            for nic in &bond.nics {
                if let Some(other) = used.insert(nic, name) {
                    errors.push(FieldError::new(path(".nics"), format!("{nic} is in bond {other} already")));
                }
            }
        }
        for (name, vlan) in &self.vlans {
            let path = |field: &str| format!("network.vlans.{name}{field}");
            if !is_link_name(name) || self.bonds.contains_key(name) {
                errors.push(FieldError::new(
                    path(""),
                    "needs an interface name of its own, at most 15 characters",
                ));
            }
            if !(1..=4094).contains(&vlan.id) {
                errors.push(FieldError::new(path(".id"), "a VLAN id is 1 to 4094 (IEEE 802.1Q)"));
            }
            if self.vlans.contains_key(&vlan.link) {
                errors.push(FieldError::new(path(".link"), "must be a NIC or a bond, not another VLAN"));
            }
        }
        for (name, address) in &self.addresses {
            let path = |field: &str| format!("network.addresses.{name}{field}");
            if used.contains_key(name) {
                errors.push(FieldError::new(path(""), "is a member of a bond; give the address to the bond"));
            }
            if let Some(gateway) = address.gateway
                && !address.cidrs.iter().any(|cidr| cidr.contains(&gateway))
            {
                errors.push(FieldError::new(
                    path(".gateway"),
                    format!("{gateway} is in none of this link's networks"),
                ));
            }
        }
        for nic in self.nics() {
            if !is_link_name(nic) {
                let message = format!("\"{nic}\" is not an interface name");
                errors.push(FieldError::new("network", message));
            }
        }
        for (position, domain) in self.dns.search.iter().enumerate() {
            if domain.is_empty()
                || !domain.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
            {
                errors
                    .push(FieldError::new(format!("network.dns.search.{position}"), "is not a domain name"));
            }
        }
    }
}
