//! Machines that booted the agent without being enrolled: a short memory, since they report again and again.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;
use underlay_core::{Mac, agent::Inventory};

/// A machine nobody has enrolled.
#[derive(Clone, Debug, PartialEq)]
pub struct Discovered {
    /// The NIC it booted over.
    pub mac: Mac,
    /// The network it was seen on, where known.
    pub network: Option<String>,
    /// When it reported last.
    pub seen_at: Timestamp,
    /// What its agent found.
    pub inventory: Inventory,
}

/// Keeps who was discovered.
pub trait Discoveries: Send + Sync + 'static {
    /// Keeps a report; a later one of the same MAC takes its place.
    fn record(&self, discovered: Discovered);

    /// The newest `limit` of them, newest first.
    fn list(&self, limit: usize) -> Vec<Discovered>;
}

/// The last [`RecentDiscoveries::KEPT`] of them, in memory.
#[derive(Debug, Default)]
pub struct RecentDiscoveries(Mutex<VecDeque<Discovered>>);

impl RecentDiscoveries {
    /// How many are kept; the oldest make room.
    pub const KEPT: usize = 1000;
}

impl Discoveries for RecentDiscoveries {
    fn record(&self, discovered: Discovered) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|other| other.mac != discovered.mac);
        kept.push_front(discovered);
        kept.truncate(Self::KEPT);
    }

    fn list(&self, limit: usize) -> Vec<Discovered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().take(limit).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(number: u32) -> Discovered {
        let [a, b, c, d] = number.to_be_bytes();
        let mac = Mac([2, 0, a, b, c, d]);
        Discovered { mac, network: None, seen_at: Timestamp::UNIX_EPOCH, inventory: Inventory::default() }
    }

    #[test]
    fn the_newest_come_first_and_each_mac_once() {
        let kept = RecentDiscoveries::default();
        for number in [1, 2, 1] {
            kept.record(seen(number));
        }
        assert_eq!(kept.list(10), [seen(1), seen(2)]);
    }

    #[test]
    fn a_flood_does_not_grow_the_memory() {
        let kept = RecentDiscoveries::default();
        for number in 0..5000 {
            kept.record(seen(number));
        }
        assert_eq!(kept.list(usize::MAX).len(), RecentDiscoveries::KEPT);
    }
}
