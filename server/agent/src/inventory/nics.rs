//! Network interfaces with hardware behind them.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use underlay_core::{Mac, agent::Nic};

use super::{Places, sysfs};
use crate::net::link;

/// All of them, by kernel name. An interface that is down cannot tell its link; the agent sets all up at start.
pub(super) fn read(places: Places<'_>, boot: Option<Mac>) -> Vec<Nic> {
    let addresses = addresses(places);
    let nic = |link: link::Link| {
        let folder = places.sys.join("class/net").join(&link.name);
        let speed: Option<i64> = sysfs::value(folder.join("speed"));
        let driver = fs::canonicalize(folder.join("device/driver")).ok();
        Nic {
            mac: link.mac,
            link: sysfs::value(folder.join("carrier")) == Some(1_u8),
            // The kernel says -1 where it does not know.
            speed: speed
                .and_then(|speed| u32::try_from(speed).ok())
                .filter(|speed| *speed > 0 && *speed != u32::MAX),
            addresses: addresses
                .iter()
                .filter(|(name, _)| *name == link.name)
                .map(|(_, address)| *address)
                .collect(),
            driver: driver.and_then(|path| Some(path.file_name()?.to_str()?.to_owned())),
            boot: boot == Some(link.mac),
            neighbour: None,
            name: link.name,
        }
    };
    link::links(places.sys).into_iter().map(nic).collect()
}

/// Addresses by interface name. IPv4 ones come from the routing trie, which lists each local address by itself; they
/// are attributed by the interface whose connected route holds them.
fn addresses(places: Places<'_>) -> Vec<(String, IpAddr)> {
    let trie = fs::read_to_string(places.proc.join("net/fib_trie")).unwrap_or_default();
    let routes = fs::read_to_string(places.proc.join("net/route")).unwrap_or_default();
    let mut found = Vec::new();
    for address in local_addresses(&trie) {
        if let Some(name) = interface_of(&routes, address)
            && !found.contains(&(name.clone(), IpAddr::V4(address)))
        {
            found.push((name, IpAddr::V4(address)));
        }
    }
    let six = fs::read_to_string(places.proc.join("net/if_inet6")).unwrap_or_default();
    found.extend(six.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let address = u128::from_str_radix(words.next()?, 16).ok()?;
        Some((words.next_back()?.to_owned(), IpAddr::V6(Ipv6Addr::from_bits(address))))
    }));
    found
}

/// `|-- 10.0.2.15` followed by `/32 host LOCAL`.
fn local_addresses(trie: &str) -> Vec<Ipv4Addr> {
    let mut last = None;
    let mut found = Vec::new();
    for line in trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse().ok();
        } else if line.contains("/32 host LOCAL") {
            found.extend(last.filter(|address: &Ipv4Addr| !address.is_loopback()));
        }
    }
    found
}

/// The interface with a connected route (no gateway) that covers `address`; /proc/net/route is in host byte order.
fn interface_of(routes: &str, address: Ipv4Addr) -> Option<String> {
    routes.lines().skip(1).find_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [name, destination, gateway, _, _, _, _, mask, ..] = words.as_slice() else { return None };
        let number =
            |hex: &str| u32::from_str_radix(hex, 16).ok().map(|word| u32::from_be_bytes(word.to_ne_bytes()));
        let (destination, mask) = (number(destination)?, number(mask)?);
        let covers = mask != 0 && *gateway == "00000000" && address.to_bits() & mask == destination;
        covers.then(|| (*name).to_owned())
    })
}
