//! Any order of offers, bindings, releases, declines, restarts and clocks keeps each address with one holder.

use std::{collections::HashMap, net::Ipv4Addr};

use jiff::{SignedDuration, Timestamp};
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::dhcp::{
    directory::{BootAnswer, Fixed, Loader},
    tests::{mac, network},
};

#[derive(Clone, Debug)]
enum Act {
    Offer,
    Bind,
    BindAnother(u8),
    Release,
    Decline,
    Reserve(u8),
    Wait(u16),
    Restart,
}

fn acts() -> impl Strategy<Value = Vec<(u32, Act)>> {
    let act = prop_oneof![
        4 => Just(Act::Offer),
        6 => Just(Act::Bind),
        2 => (45u8..65).prop_map(Act::BindAnother),
        1 => Just(Act::Release),
        1 => Just(Act::Decline),
        1 => (45u8..65).prop_map(Act::Reserve),
        2 => (0u16..900).prop_map(Act::Wait),
        1 => Just(Act::Restart),
    ];
    vec((0u32..16, act), 1..300)
}

/// What clients were told: who believes to have which address until when.
#[derive(Default)]
struct World {
    pool: Pool,
    offered: HashMap<Mac, Ipv4Addr>,
    believed: HashMap<Mac, (Ipv4Addr, Timestamp)>,
    stored: HashMap<Ipv4Addr, Lease>,
}

impl World {
    fn store(&mut self, lease: &Lease) {
        self.stored.retain(|_, held| held.mac != lease.mac);
        self.stored.insert(lease.address, lease.clone());
    }

    fn bind(&mut self, claim: Claim<'_>, address: Ipv4Addr, now: Timestamp) {
        let Some(lease) = self.pool.bind(claim, address, now) else { return };
        self.store(&lease);
        self.believed.insert(claim.mac, (address, lease.expires));
        for (other, (held, until)) in &self.believed {
            let clash = *other != claim.mac && *held == address && *until > now;
            assert!(!clash, "{address} is live for {other} and {}", claim.mac);
        }
    }

    fn act(&mut self, act: &Act, claim: Claim<'_>, now: Timestamp) {
        let mine = self.believed.get(&claim.mac).map(|(address, _)| *address);
        match act {
            Act::Offer => {
                if let Some(address) = self.pool.offer(claim, None, now) {
                    self.offered.insert(claim.mac, address);
                }
            }
            Act::Bind => {
                if let Some(address) = self.offered.get(&claim.mac).copied() {
                    self.bind(claim, address, now);
                }
            }
            Act::BindAnother(last) => self.bind(claim, Ipv4Addr::new(10, 12, 0, *last), now),
            Act::Release | Act::Decline => {
                let Some(address) = mine else { return };
                let back = match act {
                    Act::Release => self.pool.release(claim, address, now),
                    _ => self.pool.decline(claim, address, now),
                };
                self.believed.remove(&claim.mac);
                if let Some(lease) = back {
                    self.store(&lease);
                }
            }
            Act::Restart => {
                self.pool = Pool::default();
                for lease in self.stored.values() {
                    self.pool.restore(lease);
                }
            }
            Act::Reserve(_) | Act::Wait(_) => {}
        }
    }
}

proptest! {
    #[test]
    fn an_address_is_never_live_for_two_macs(acts in acts()) {
        let (network, directory) = (network(), Fixed::default());
        let mut world = World::default();
        let mut now = Timestamp::UNIX_EPOCH;
        for (n, act) in acts {
            match act {
                Act::Wait(seconds) => now += SignedDuration::from_secs(seconds.into()),
                Act::Reserve(last) => {
                    let address = Ipv4Addr::new(10, 12, 0, last);
                    if directory.reserved(address, &network.name).is_none() {
                        directory.put(mac(n), BootAnswer { address: Some(address), loader: Loader::Network, hostname: None });
                    }
                }
                _ => {}
            }
            let reserved = directory.lookup(mac(n), &network.name).and_then(|answer| answer.address);
            let claim = Claim { network: &network, mac: mac(n), reserved, directory: &directory };
            world.act(&act, claim, now);
            prop_assert!(world.pool.slots.len() <= 20);
            prop_assert_eq!(world.pool.slots.len(), world.pool.by_expiry.len());
        }
    }
}

fn fill(pool: &mut Pool, network: &Network, now: Timestamp) -> Vec<Ipv4Addr> {
    let directory = Fixed::default();
    (0..10)
        .map(|n| {
            let claim = Claim { network, mac: mac(n), reserved: None, directory: &directory };
            let address = pool.offer(claim, None, now).unwrap();
            pool.bind(claim, address, now).unwrap();
            address
        })
        .collect()
}

#[test]
fn a_full_pool_gives_the_longest_expired_address_and_no_live_one() {
    let (network, directory) = (network(), Fixed::default());
    let mut pool = Pool::default();
    let now = Timestamp::UNIX_EPOCH;
    let addresses = fill(&mut pool, &network, now);
    let late = Claim { network: &network, mac: mac(99), reserved: None, directory: &directory };
    assert_eq!(pool.offer(late, None, now + SignedDuration::from_secs(599)), None);
    let expired = pool.offer(late, None, now + SignedDuration::from_secs(600));
    assert_eq!(expired, Some(addresses[0]));
}

#[test]
fn an_expired_mac_gets_its_old_address_while_nobody_needed_it() {
    let (network, directory) = (network(), Fixed::default());
    let mut pool = Pool::default();
    let addresses = fill(&mut pool, &network, Timestamp::UNIX_EPOCH);
    let again = Claim { network: &network, mac: mac(7), reserved: None, directory: &directory };
    let day = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24);
    assert_eq!(pool.offer(again, None, day), Some(addresses[7]));
}

#[test]
fn a_range_added_later_is_found() {
    let (mut network, directory) = (network(), Fixed::default());
    let mut pool = Pool::default();
    let now = Timestamp::UNIX_EPOCH;
    fill(&mut pool, &network, now);
    let first = Ipv4Addr::new(10, 12, 0, 10);
    network.ranges.insert(0, crate::dhcp::AddressRange { first, last: first });
    let claim = Claim { network: &network, mac: mac(99), reserved: None, directory: &directory };
    assert_eq!(pool.offer(claim, None, now), Some(first));
}

#[test]
fn offers_to_made_up_machines_fill_neither_memory_nor_network() {
    let mut network = network();
    network.cidr = "10.0.0.0/8".parse().unwrap();
    network.ranges =
        vec![crate::dhcp::AddressRange { first: [10, 1, 0, 0].into(), last: [10, 200, 0, 0].into() }];
    let (directory, mut pool) = (Fixed::default(), Pool::default());
    let claim = |n: u32| Claim { network: &network, mac: mac(n), reserved: None, directory: &directory };
    let bound = pool.offer(claim(1), None, Timestamp::UNIX_EPOCH).unwrap();
    pool.bind(claim(1), bound, Timestamp::UNIX_EPOCH).unwrap();
    let flood = u32::try_from(MAX_OFFERS).unwrap() + 5000;
    for n in 2..flood {
        assert!(pool.offer(claim(n), None, Timestamp::UNIX_EPOCH).is_some(), "machine {n}");
    }
    assert!(pool.slots.len() <= MAX_OFFERS + 2, "{} slots", pool.slots.len());
    assert!(pool.offers.len() <= MAX_OFFERS && pool.macs.len() <= MAX_OFFERS + 1);
    assert_eq!(pool.lease_of(mac(1)), Some(bound), "a lease is nobody's to recycle");
    let real = pool.offer(claim(flood), None, Timestamp::UNIX_EPOCH).unwrap();
    assert!(pool.bind(claim(flood), real, Timestamp::UNIX_EPOCH).is_some(), "who comes now gets one");
    for _ in 0..1000 {
        pool.offer(claim(flood - 1), None, Timestamp::UNIX_EPOCH).unwrap();
    }
    assert!(pool.slots.len() <= MAX_OFFERS + 1000, "who repeats itself takes nothing");
}
