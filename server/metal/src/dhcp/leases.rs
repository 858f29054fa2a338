//! A lease, and the store that must hold it before a client is told.
//!
//! The implementation is the only SQL behind DHCP. Fakes: [`Memory`] keeps what was committed, and refuses on demand.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use jiff::Timestamp;
use underlay_core::Mac;

use super::network::NetworkName;

/// Why an address is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// The MAC uses it until it expires, and is given it again after that while nobody else needed it.
    Bound,
    /// The MAC gave it back; it is remembered so that it gets the same one again.
    Released,
}

/// One address on one network and the MAC that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The network.
    pub network: NetworkName,
    /// The address, unique in the network.
    pub address: Ipv4Addr,
    /// The holder, unique in the network.
    pub mac: Mac,
    /// Why it is held.
    pub state: LeaseState,
    /// Until when.
    pub expires: Timestamp,
}

/// The store could not do it; the client gets no answer and asks again.
#[derive(Debug, thiserror::Error)]
#[error("the lease store failed")]
pub struct Error(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Where leases are kept.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Makes a batch durable, in order, all or nothing. Each lease replaces whatever the network holds for its address
    /// and whatever it holds for its MAC.
    async fn commit(&self, batch: Vec<Lease>) -> Result<(), Error>;

    /// Everything that was committed, expired or not, in any order.
    async fn load(&self) -> Result<Vec<Lease>, Error>;
}

/// Leases in memory: for tests, and for networks whose leases need not survive.
#[derive(Debug, Default)]
pub struct Memory {
    networks: Mutex<HashMap<NetworkName, Held>>,
    broken: AtomicBool,
}

#[derive(Debug, Default)]
struct Held {
    by_address: HashMap<Ipv4Addr, Lease>,
    by_mac: HashMap<Mac, Ipv4Addr>,
}

impl Memory {
    /// From now on every commit fails.
    pub fn break_down(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    /// From now on commits succeed again.
    pub fn repair(&self) {
        self.broken.store(false, Ordering::Relaxed);
    }
}

#[async_trait]
impl Leases for Memory {
    async fn commit(&self, batch: Vec<Lease>) -> Result<(), Error> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(Error("the disk is full".into()));
        }
        let mut networks = self.networks.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for lease in batch {
            let Held { by_address, by_mac } = networks.entry(lease.network.clone()).or_default();
            if let Some(previous) = by_mac.insert(lease.mac, lease.address) {
                by_address.remove(&previous);
            }
            match by_address.insert(lease.address, lease.clone()) {
                Some(previous) if previous.mac != lease.mac => by_mac.remove(&previous.mac),
                _ => None,
            };
        }
        Ok(())
    }

    async fn load(&self) -> Result<Vec<Lease>, Error> {
        let networks = self.networks.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        Ok(networks.values().flat_map(|held| held.by_address.values().cloned()).collect())
    }
}
