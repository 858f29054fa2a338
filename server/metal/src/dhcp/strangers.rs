//! Other DHCP servers on networks where we are the one that hands out addresses: heard, remembered, reported.
//!
//! Two things tell of one: a machine that takes another server's offer (option 54 of its REQUEST), and an answer to the
//! question that `probe.rs` asks now and then. Anybody on the segment can make up either, so it is evidence for a
//! person and changes nothing here. Bounded: [`MOST`] a network; one that is not heard of for [`GONE`] is forgotten.

use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
    sync::{Mutex, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use tracing::{info, warn};
pub use underlay_core::observation::{Evidence, Stranger};

use super::{counters::Counters, network::NetworkName, sighting::Sightings};

/// How many are remembered of one network.
const MOST: usize = 16;
/// Longer than several probes.
const GONE: Duration = Duration::from_secs(600);

#[derive(Clone, Copy, Debug)]
struct Heard {
    last: Instant,
    evidence: Evidence,
}

/// Who else hands out addresses, by network.
#[derive(Debug, Default)]
pub struct Strangers(Mutex<HashMap<NetworkName, BTreeMap<Ipv4Addr, Heard>>>);

impl Strangers {
    /// Somebody was heard; reported where that is news.
    pub fn hear(
        &self,
        network: &NetworkName,
        stranger: Stranger,
        now: Instant,
        sightings: &dyn Sightings,
        counters: &Counters,
    ) {
        let mut networks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = networks.entry(network.clone()).or_default();
        if !known.contains_key(&stranger.address) && known.len() >= MOST {
            return;
        }
        let Stranger { address, evidence } = stranger;
        let before = known.insert(address, Heard { last: now, evidence });
        // What answered us is more certain than what a machine says.
        let evidence = before.map_or(evidence, |before| before.evidence.min(evidence));
        known.insert(address, Heard { last: now, evidence });
        if before.is_some_and(|before| before.evidence == evidence) {
            return;
        }
        let list = list(known);
        counters.strangers.store(total(&networks), Ordering::Relaxed);
        drop(networks);
        warn!(%network, server = %address, ?evidence, "another dhcp server is on this network");
        sightings.strangers(network, list);
    }

    /// A probe has ended: forgets who fell silent, and reports who is left, as often as there is anybody.
    pub fn probed(
        &self,
        network: &NetworkName,
        now: Instant,
        sightings: &dyn Sightings,
        counters: &Counters,
    ) {
        let mut networks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = !networks.contains_key(network);
        let known = networks.entry(network.clone()).or_default();
        let before = known.len();
        known.retain(|address, heard| {
            let stays = now.saturating_duration_since(heard.last) < GONE;
            if !stays {
                info!(%network, server = %address, "the other dhcp server is not heard any more");
            }
            stays
        });
        let (list, news) = (list(known), is_first || known.len() != before || !known.is_empty());
        counters.strangers.store(total(&networks), Ordering::Relaxed);
        drop(networks);
        if news {
            sightings.strangers(network, list);
        }
    }

    /// Forgets networks that are not served any more.
    pub fn keep_only(&self, networks: &[super::Network]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|name, _| networks.iter().any(|network| network.name == *name));
    }
}

fn list(known: &BTreeMap<Ipv4Addr, Heard>) -> Vec<Stranger> {
    known.iter().map(|(address, heard)| Stranger { address: *address, evidence: heard.evidence }).collect()
}

fn total(networks: &HashMap<NetworkName, BTreeMap<Ipv4Addr, Heard>>) -> u64 {
    networks.values().map(|known| u64::try_from(known.len()).unwrap_or(u64::MAX)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcp::Sighting;

    #[derive(Default)]
    struct Reports(Mutex<Vec<Vec<Stranger>>>);

    impl Sightings for Reports {
        fn saw(&self, _: Sighting) {}

        fn strangers(&self, _: &NetworkName, strangers: Vec<Stranger>) {
            self.0.lock().unwrap().push(strangers);
        }
    }

    fn stranger(n: u8, evidence: Evidence) -> Stranger {
        Stranger { address: Ipv4Addr::new(10, 12, 0, n), evidence }
    }

    #[test]
    fn a_stranger_is_reported_once_and_its_going_too() {
        let (strangers, reports, counters) = (Strangers::default(), Reports::default(), Counters::default());
        let (network, now) = (NetworkName::new("boot"), Instant::now());
        let hear = |who: Stranger, at| strangers.hear(&network, who, at, &reports, &counters);
        let taken = || std::mem::take(&mut *reports.0.lock().unwrap());
        strangers.probed(&network, now, &reports, &counters);
        assert_eq!(taken(), [vec![]], "the first probe says that nobody is there");
        strangers.probed(&network, now, &reports, &counters);
        hear(stranger(9, Evidence::Chosen), now);
        hear(stranger(9, Evidence::Chosen), now);
        assert_eq!(taken(), [vec![stranger(9, Evidence::Chosen)]]);
        hear(stranger(9, Evidence::Answered), now);
        hear(stranger(9, Evidence::Chosen), now);
        assert_eq!(taken(), [vec![stranger(9, Evidence::Answered)]], "the better evidence stays");
        assert_eq!(counters.strangers.load(Ordering::Relaxed), 1);
        strangers.probed(&network, now + GONE, &reports, &counters);
        assert_eq!(taken(), [vec![]]);
        assert_eq!(counters.strangers.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn made_up_servers_fill_no_memory() {
        let (strangers, reports, counters) = (Strangers::default(), Reports::default(), Counters::default());
        for n in 0..10_000_u32 {
            let made_up = Stranger { address: Ipv4Addr::from(n), evidence: Evidence::Chosen };
            strangers.hear(&NetworkName::new("boot"), made_up, Instant::now(), &reports, &counters);
        }
        assert_eq!(strangers.0.lock().unwrap().values().map(BTreeMap::len).sum::<usize>(), MOST);
        assert_eq!(reports.0.lock().unwrap().len(), MOST);
    }
}
