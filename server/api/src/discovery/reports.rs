//! What agents said of their machines the last time, so that one that waits need not send it again and again. Bounded by its
//! size; whoever is forgotten is asked to send it once more.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use underlay_core::Mac;

use super::register::Found;

/// How much is kept, in bytes of JSON.
const SIZE: usize = 32 << 20;

/// The last reports. An agent is known by its NIC and its address: nobody calls up another's report.
#[derive(Default)]
pub(super) struct Reports(Mutex<Kept>);

type From = (Option<IpAddr>, Mac);

#[derive(Default)]
struct Kept {
    reports: HashMap<From, Report>,
    /// By their numbers, which count up.
    order: BTreeMap<u64, From>,
    last: u64,
    size: usize,
}

struct Report {
    found: Arc<Found>,
    number: u64,
    size: usize,
}

impl Kept {
    fn drop_one(&mut self, from: From) {
        if let Some(report) = self.reports.remove(&from) {
            self.order.remove(&report.number);
            self.size -= report.size;
        }
    }
}

impl Reports {
    /// The report of that name from there.
    pub(super) fn recall(&self, from: From, digest: &str) -> Option<Arc<Found>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.reports.get(&from).map(|report| report.found.clone()).filter(|found| found.digest == digest)
    }

    /// Keeps a report that is `size` bytes long.
    pub(super) fn keep(&self, from: From, found: Arc<Found>, size: usize) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.drop_one(from);
        kept.last += 1;
        kept.size += size;
        let number = kept.last;
        kept.order.insert(number, from);
        kept.reports.insert(from, Report { found, number, size });
        while kept.size > SIZE
            && let Some(oldest) = kept.order.values().next().copied()
        {
            kept.drop_one(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use underlay_core::{agent::Inventory, identity::Traits};

    use super::*;

    fn found(number: u32) -> Arc<Found> {
        let [a, b, c, d] = number.to_be_bytes();
        Arc::new(Found {
            boot_mac: Mac([2, 0, a, b, c, d]),
            network: None,
            traits: Traits::default(),
            inventory: Inventory::default(),
            digest: number.to_string(),
        })
    }

    #[test]
    fn the_oldest_reports_make_room_and_the_last_of_each_agent_counts() {
        let reports = Reports::default();
        for number in 0..100 {
            reports.keep((None, found(number).boot_mac), found(number), 1 << 20);
        }
        assert!(reports.recall((None, found(0).boot_mac), "0").is_none());
        assert!(reports.recall((None, found(99).boot_mac), "99").is_some());
        let from = (None, found(99).boot_mac);
        for _ in 0..1000 {
            reports.keep(from, found(7), 1 << 10);
        }
        assert!(reports.recall(from, "99").is_none() && reports.recall(from, "7").is_some());
        let kept = reports.0.lock().unwrap();
        assert!(kept.order.len() == kept.reports.len() && kept.size <= SIZE);
    }
}
