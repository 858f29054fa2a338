//! Which MAC holds which address of one network, in memory.
//!
//! Knows nothing of packets or the store: whoever binds an address commits the returned lease before telling anybody.
//! Invariant: an address has one slot and a slot has one holder, so no address is ever live for two MACs. A MAC keeps
//! its address beyond expiry until somebody else needs it. Declined addresses rest in memory only: after a restart the
//! client that declined one declines it again.
//! Memory: a slot per address that was ever given, at most [`MAX_SLOTS`]. Anybody can ask for offers under made-up MACs, so
//! at most [`MAX_OFFERS`] stand at a time; one more takes the place of the oldest, which is still good if it is asked for
//! before that.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    net::Ipv4Addr,
    time::Duration,
};

use jiff::Timestamp;
use underlay_core::Mac;

use super::{
    directory::BootDirectory,
    leases::{Lease, LeaseState},
    network::Network,
};

/// How many addresses of one network are in use or remembered at most.
pub const MAX_SLOTS: usize = 1 << 20;
/// How many offers stand at a time: what ten thousand machines a second ask for while their firmware collects offers.
pub const MAX_OFFERS: usize = 1 << 18;
const OFFER: Duration = Duration::from_secs(30);
const DECLINED: Duration = Duration::from_secs(600);
/// How often a full pool looks again at addresses it had passed over.
const RESCAN: Duration = Duration::from_secs(60);
/// How many stale slots one allocation clears away before it gives up; the next one goes on.
const STALE: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    Offered,
    Bound,
    Released,
    Declined,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    holder: Option<Mac>,
    hold: Hold,
    expires: Timestamp,
}

/// What one MAC has: an address, and perhaps the offer of another one.
#[derive(Clone, Copy, Debug, Default)]
struct Holdings {
    lease: Option<Ipv4Addr>,
    offer: Option<Ipv4Addr>,
}

/// Who asks for an address, and on which terms.
#[derive(Clone, Copy)]
pub struct Claim<'a> {
    /// The network as it is configured now.
    pub network: &'a Network,
    /// Who asks.
    pub mac: Mac,
    /// The address reserved for it.
    pub reserved: Option<Ipv4Addr>,
    /// Whose the other addresses are.
    pub directory: &'a dyn BootDirectory,
}

impl Claim<'_> {
    /// True if the network's configuration lets this MAC have the address.
    fn allows(&self, address: Ipv4Addr) -> bool {
        self.network.is_host(address)
            && match self.directory.reserved(address, &self.network.name) {
                Some(owner) => owner == self.mac,
                None => self.reserved == Some(address) || self.network.in_ranges(address),
            }
    }
}

/// The addresses of one network.
#[derive(Debug, Default)]
pub struct Pool {
    slots: HashMap<Ipv4Addr, Slot>,
    macs: HashMap<Mac, Holdings>,
    by_expiry: BTreeSet<(Timestamp, Ipv4Addr)>,
    /// Offers in the order they were made, some of which were taken or forgotten since.
    offers: VecDeque<(Ipv4Addr, Timestamp)>,
    /// Offset, over all ranges, of the next address that was never looked at.
    fresh: u64,
    rescan: Option<Timestamp>,
}

impl Pool {
    /// Takes back a lease that the store kept.
    pub fn restore(&mut self, lease: &Lease) {
        let hold = match lease.state {
            LeaseState::Bound => Hold::Bound,
            LeaseState::Released => Hold::Released,
        };
        let newer = |held: &Slot| held.expires > lease.expires;
        if self.slots.get(&lease.address).is_some_and(newer) {
            return;
        }
        self.vacate(self.lease_of(lease.mac));
        self.clear(lease.address);
        self.fill(lease.address, Slot { holder: Some(lease.mac), hold, expires: lease.expires });
    }

    /// The address this MAC has or last had.
    pub fn lease_of(&self, mac: Mac) -> Option<Ipv4Addr> {
        self.macs.get(&mac).and_then(|held| held.lease)
    }

    /// Finds an address and keeps it for half a minute; none if the network has none left.
    pub fn offer(
        &mut self,
        claim: Claim<'_>,
        requested: Option<Ipv4Addr>,
        now: Timestamp,
    ) -> Option<Ipv4Addr> {
        let address = self.choose(claim, requested, now)?;
        let held = self.slots.get(&address);
        let has_it = held.is_some_and(|slot| slot.hold == Hold::Bound && slot.expires > now);
        if !has_it {
            self.forget_offer(claim.mac);
            self.clear(address);
            let slot = Slot { holder: Some(claim.mac), hold: Hold::Offered, expires: now + OFFER };
            self.fill(address, slot);
            self.drop_stale_offers(now);
            self.offers.push_back((address, slot.expires));
        }
        Some(address)
    }

    /// Gives this MAC this address for the network's lease time; none if it may not have it.
    pub fn bind(&mut self, claim: Claim<'_>, address: Ipv4Addr, now: Timestamp) -> Option<Lease> {
        if !self.may_have(claim, address, now) {
            return None;
        }
        self.forget_offer(claim.mac);
        self.vacate(self.lease_of(claim.mac));
        self.clear(address);
        let expires = now + claim.network.lease_time;
        self.fill(address, Slot { holder: Some(claim.mac), hold: Hold::Bound, expires });
        Some(lease(claim, address, LeaseState::Bound, expires))
    }

    /// The MAC gives its address back; none if it was not its own.
    pub fn release(&mut self, claim: Claim<'_>, address: Ipv4Addr, now: Timestamp) -> Option<Lease> {
        let slot = *self.slots.get(&address)?;
        if slot.holder != Some(claim.mac) || slot.hold != Hold::Bound {
            return None;
        }
        self.clear(address);
        self.fill(address, Slot { hold: Hold::Released, expires: now, ..slot });
        Some(lease(claim, address, LeaseState::Released, now))
    }

    /// The MAC found its address used by somebody else; none if it was not its own.
    pub fn decline(&mut self, claim: Claim<'_>, address: Ipv4Addr, now: Timestamp) -> Option<Lease> {
        let slot = *self.slots.get(&address)?;
        if slot.holder != Some(claim.mac) || slot.expires <= now {
            return None;
        }
        self.clear(address);
        self.fill(address, Slot { holder: None, hold: Hold::Declined, expires: now + DECLINED });
        Some(lease(claim, address, LeaseState::Released, now))
    }

    /// The MAC has chosen another server.
    pub fn forget_offer(&mut self, mac: Mac) {
        self.vacate(self.macs.get(&mac).and_then(|held| held.offer));
    }

    /// True if the configuration allows it, nobody else holds it, and no reservation says otherwise.
    fn may_have(&self, claim: Claim<'_>, address: Ipv4Addr, now: Timestamp) -> bool {
        let elsewhere = claim.reserved.filter(|reserved| {
            *reserved != address && claim.allows(*reserved) && !self.is_taken(claim, *reserved, now)
        });
        elsewhere.is_none() && claim.allows(address) && !self.is_taken(claim, address, now)
    }

    fn is_taken(&self, claim: Claim<'_>, address: Ipv4Addr, now: Timestamp) -> bool {
        self.slots.get(&address).is_some_and(|slot| slot.expires > now && slot.holder != Some(claim.mac))
    }

    /// Its reservation; what it has; what it was offered; what it asks for; an address nobody had; the one longest
    /// expired. A reservation that somebody else still holds is waited for with another address: the holder is refused
    /// when it renews.
    fn choose(&mut self, claim: Claim<'_>, requested: Option<Ipv4Addr>, now: Timestamp) -> Option<Ipv4Addr> {
        let held = self.macs.get(&claim.mac).copied().unwrap_or_default();
        [claim.reserved, held.lease, held.offer, requested]
            .into_iter()
            .flatten()
            .find(|address| claim.allows(*address) && !self.is_taken(claim, *address, now))
            .or_else(|| self.recycled(claim))
            .or_else(|| self.unused(claim))
            .or_else(|| self.expired(claim, now))
            .or_else(|| self.rescanned(claim, now))
    }

    /// Where as many offers stand as may, the address of the oldest one.
    fn recycled(&mut self, claim: Claim<'_>) -> Option<Ipv4Addr> {
        let mut free = None;
        while self.offers.len() >= MAX_OFFERS && free.is_none() {
            let (address, expires) = self.offers.pop_front()?;
            if self.stands(address, expires) {
                self.vacate(Some(address));
                free = Some(address).filter(|address| claim.allows(*address));
            }
        }
        free
    }

    /// Invariant: no more than [`MAX_OFFERS`] stay.
    fn drop_stale_offers(&mut self, now: Timestamp) {
        while let Some(&(address, expires)) = self.offers.front()
            && (expires <= now || self.offers.len() >= MAX_OFFERS || !self.stands(address, expires))
        {
            self.offers.pop_front();
            if expires > now && self.stands(address, expires) {
                self.vacate(Some(address));
            }
        }
    }

    fn stands(&self, address: Ipv4Addr, expires: Timestamp) -> bool {
        let held = self.slots.get(&address);
        held.is_some_and(|slot| slot.hold == Hold::Offered && slot.expires == expires)
    }

    fn unused(&mut self, claim: Claim<'_>) -> Option<Ipv4Addr> {
        if self.slots.len() >= MAX_SLOTS {
            return None;
        }
        while let Some(address) = nth(claim.network, self.fresh) {
            self.fresh += 1;
            if !self.slots.contains_key(&address) && claim.allows(address) {
                return Some(address);
            }
        }
        None
    }

    fn expired(&mut self, claim: Claim<'_>, now: Timestamp) -> Option<Ipv4Addr> {
        for _ in 0..STALE {
            let &(expires, address) = self.by_expiry.first()?;
            if expires > now {
                return None;
            }
            self.clear(address);
            if claim.allows(address) {
                return Some(address);
            }
        }
        None
    }

    /// Ranges change and reservations go away; once a minute a full pool starts again from the first address.
    fn rescanned(&mut self, claim: Claim<'_>, now: Timestamp) -> Option<Ipv4Addr> {
        if self.rescan.is_some_and(|at| now < at) {
            return None;
        }
        self.rescan = Some(now + RESCAN);
        self.fresh = 0;
        self.unused(claim)
    }

    /// The address is nobody's, and the next to be given when no fresh one is left.
    fn vacate(&mut self, address: Option<Ipv4Addr>) {
        if let Some(address) = address {
            self.clear(address);
            self.fill(address, Slot { holder: None, hold: Hold::Released, expires: Timestamp::MIN });
        }
    }

    fn clear(&mut self, address: Ipv4Addr) {
        let Some(slot) = self.slots.remove(&address) else { return };
        self.by_expiry.remove(&(slot.expires, address));
        let Some(mac) = slot.holder else { return };
        if let Some(held) = self.macs.get_mut(&mac) {
            held.lease = held.lease.filter(|lease| *lease != address);
            held.offer = held.offer.filter(|offer| *offer != address);
            if held.lease.is_none() && held.offer.is_none() {
                self.macs.remove(&mac);
            }
        }
    }

    fn fill(&mut self, address: Ipv4Addr, slot: Slot) {
        self.by_expiry.insert((slot.expires, address));
        if let Some(mac) = slot.holder {
            let held = self.macs.entry(mac).or_default();
            match slot.hold {
                Hold::Offered => held.offer = Some(address),
                Hold::Bound | Hold::Released | Hold::Declined => held.lease = Some(address),
            }
        }
        self.slots.insert(address, slot);
    }
}

fn lease(claim: Claim<'_>, address: Ipv4Addr, state: LeaseState, expires: Timestamp) -> Lease {
    Lease { network: claim.network.name.clone(), address, mac: claim.mac, state, expires }
}

/// The nth address over all ranges in order.
fn nth(network: &Network, mut offset: u64) -> Option<Ipv4Addr> {
    for range in &network.ranges {
        if offset < range.size() {
            let offset = u32::try_from(offset).ok()?;
            return u32::from(range.first).checked_add(offset).map(Ipv4Addr::from);
        }
        offset -= range.size();
    }
    None
}

#[cfg(test)]
mod tests;
