//! What DHCP saw of a machine: an observation, never a change of state.
//!
//! Anybody on the segment can make up MACs, so reports are bounded: per MAC one in ten seconds (unless it says something
//! new), per second a thousand, and a fixed amount of memory.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use underlay_core::{Mac, observation::Stranger};

use super::{
    client::{Arch, Program},
    network::NetworkName,
    request::{Request, Wish},
};

/// One machine, seen once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Where.
    pub network: NetworkName,
    /// Its hardware address.
    pub mac: Mac,
    /// What it asked for.
    pub wish: Wish,
    /// Which program asked.
    pub program: Program,
    /// Its processor and firmware, where it said.
    pub arch: Option<Arch>,
    /// The address it was offered or given.
    pub address: Option<Ipv4Addr>,
    /// The 16 bytes of its SMBIOS UUID as sent in option 97, where it said.
    pub uuid: Option<[u8; 16]>,
    /// Option 60, printable.
    pub vendor_class: Option<String>,
    /// Option 12, printable.
    pub hostname: Option<String>,
    /// The relay it came through.
    pub relay: Option<Ipv4Addr>,
}

impl Sighting {
    /// What a request tells of its sender.
    pub fn of(request: &Request, network: &NetworkName, address: Option<Ipv4Addr>) -> Self {
        let uuid = request.uuid.as_deref().and_then(|raw| match raw {
            [0, uuid @ ..] => uuid.try_into().ok(),
            _ => None,
        });
        Self {
            network: network.clone(),
            mac: request.mac,
            wish: request.wish,
            program: request.program,
            arch: request.arch,
            address,
            uuid,
            vendor_class: request.vendor_class.clone(),
            hostname: request.hostname.clone(),
            relay: request.is_relayed().then_some(request.giaddr),
        }
    }
}

/// Takes observations. Called on packets that the limits let through: it must not block, and may drop.
pub trait Sightings: Send + Sync {
    /// A machine was seen.
    fn saw(&self, sighting: Sighting);

    /// These are the other DHCP servers on a network of ours now, as far as was heard; mostly none.
    fn strangers(&self, network: &NetworkName, strangers: Vec<Stranger>);
}

/// Forgets every sighting.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unseen;

impl Sightings for Unseen {
    fn saw(&self, _: Sighting) {}

    fn strangers(&self, _: &NetworkName, _: Vec<Stranger>) {}
}

const QUIET: Duration = Duration::from_secs(10);
const PER_SECOND: u32 = 1000;
const REMEMBERED: usize = 32 * 1024;

type Seen = HashMap<Mac, (Instant, Wish, Program)>;

/// Lets through what is worth reporting. Memory: two generations of at most 32,768 MACs.
#[derive(Debug)]
pub struct Limiter {
    young: Seen,
    old: Seen,
    second: Instant,
    passed: u32,
}

impl Limiter {
    /// A limiter that has seen nobody.
    pub fn new(now: Instant) -> Self {
        Self { young: Seen::new(), old: Seen::new(), second: now, passed: 0 }
    }

    /// Whether a request is worth reporting.
    pub fn passes(&mut self, request: &Request, now: Instant) -> bool {
        if now.duration_since(self.second) >= Duration::from_secs(1) {
            self.second = now;
            self.passed = 0;
        }
        let what = (request.wish, request.program);
        let known = self.young.get(&request.mac).or_else(|| self.old.get(&request.mac));
        let repeated = known
            .is_some_and(|(at, wish, program)| (*wish, *program) == what && now.duration_since(*at) < QUIET);
        if repeated || self.passed >= PER_SECOND {
            return false;
        }
        self.passed += 1;
        if self.young.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(request.mac, (now, what.0, what.1));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcp::tests::{discover, mac};

    #[test]
    fn a_machine_that_repeats_itself_is_reported_once_in_ten_seconds() {
        let now = Instant::now();
        let mut limiter = Limiter::new(now);
        let mut request = discover(mac(1));
        assert!(limiter.passes(&request, now));
        assert!(!limiter.passes(&request, now + Duration::from_secs(9)));
        request.program = Program::Ipxe;
        assert!(limiter.passes(&request, now + Duration::from_secs(9)));
        assert!(limiter.passes(&request, now + Duration::from_secs(20)));
    }

    #[test]
    fn a_flood_of_made_up_machines_is_cut_off_and_its_memory_bounded() {
        let now = Instant::now();
        let mut limiter = Limiter::new(now);
        let flood = |limiter: &mut Limiter, from: u32, now| {
            (from..from + 5000).filter(|n| limiter.passes(&discover(mac(*n)), now)).count()
        };
        for second in 0..100 {
            let passed = flood(&mut limiter, second * 5000, now + Duration::from_secs(second.into()));
            assert_eq!(passed, 1000, "second {second}");
        }
        assert!(limiter.young.len() + limiter.old.len() <= 2 * REMEMBERED);
    }
}
