//! Who boots what: the question DHCP asks about each MAC, answered from memory.
//!
//! The trait is implemented over the boot-plan projection; DHCP only reads it, on every packet, so it must not block.

use std::{collections::HashMap, net::Ipv4Addr, sync::RwLock};

use underlay_core::Mac;

use super::network::NetworkName;

/// What a known machine's firmware is told to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loader {
    /// The network's loader for its architecture, then the network's script for its MAC.
    Network,
    /// As [`Loader::Network`], but iPXE gets this URL as its script.
    Script(String),
    /// Nothing, so that the firmware goes on to its disk.
    Nothing,
}

/// A known MAC: it always gets an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootAnswer {
    /// The one address it may have on this network; none means one from the ranges.
    pub address: Option<Ipv4Addr>,
    /// What it is told to load.
    pub loader: Loader,
    /// Option 12.
    pub hostname: Option<String>,
}

/// The hosts that are enrolled, as far as DHCP needs to know them. Called on each packet: in memory, never blocking.
pub trait BootDirectory: Send + Sync {
    /// What this MAC gets on this network; none if no host claims it.
    fn lookup(&self, mac: Mac, network: &NetworkName) -> Option<BootAnswer>;

    /// The MAC for which an address of this network is reserved.
    fn reserved(&self, address: Ipv4Addr, network: &NetworkName) -> Option<Mac>;
}

/// A directory held in a map, for tests and for servers without a store. Says the same on every network.
#[derive(Debug, Default)]
pub struct Fixed(RwLock<HashMap<Mac, BootAnswer>>);

impl Fixed {
    /// Enrols a MAC, or replaces what it gets.
    pub fn put(&self, mac: Mac, answer: BootAnswer) {
        self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(mac, answer);
    }
}

impl BootDirectory for Fixed {
    fn lookup(&self, mac: Mac, _: &NetworkName) -> Option<BootAnswer> {
        self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner()).get(&mac).cloned()
    }

    fn reserved(&self, address: Ipv4Addr, _: &NetworkName) -> Option<Mac> {
        let hosts = self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        hosts.iter().find(|(_, answer)| answer.address == Some(address)).map(|(mac, _)| *mac)
    }
}
