//! What a report is held against, in memory: hosts by what tells them apart, pools by their rules, networks, and the tokens
//! of boot plans.
//!
//! Fed by whoever follows the store; nothing here is a truth of its own. Until that one has read everything once, nobody is
//! judged: a machine whose host is not known yet would be bound as another.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{IpAddr, Ipv4Addr},
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use underlay_core::{
    Key, Mac, Name, Object, ObjectId,
    agent::Inventory,
    boot::{Plan, Token},
    host::Host,
    identity::{
        Traits,
        score::{self, Known as Told, Verdict},
    },
    network::Network,
    pool::{
        Pool,
        bind::{self, Rule},
    },
};

use super::{notes::Notes, reports::Reports, seats::Seats};

/// Everything a report is held against, and who waits.
#[derive(Default)]
pub struct Register {
    known: RwLock<Known>,
    pub(super) seats: Seats,
    pub(super) notes: Notes,
    pub(super) reports: Reports,
}

#[derive(Default)]
struct Known {
    /// Was everything read once?
    complete: bool,
    /// Does everything boot its own disk, so that nobody is given anything?
    own_disks: bool,
    hosts: HashMap<ObjectId, Told>,
    by_serial: HashMap<String, BTreeSet<ObjectId>>,
    by_uuid: HashMap<uuid::Uuid, BTreeSet<ObjectId>>,
    by_mac: HashMap<Mac, BTreeSet<ObjectId>>,
    pools: BTreeMap<ObjectId, (Key, Vec<Rule>)>,
    networks: HashMap<ObjectId, (Key, ipnet::Ipv4Net)>,
    /// For which NICs each host has a plan to boot the agent, and the token in it.
    plans: HashMap<ObjectId, (BTreeSet<Mac>, Token)>,
    /// Hosts whose token comes by their BMC, and is given to nobody else.
    reserved: BTreeSet<ObjectId>,
}

/// A machine that reports.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) boot_mac: Mac,
    /// The network it was seen on.
    pub(super) network: Option<Key>,
    pub(super) traits: Traits,
    pub(super) inventory: Inventory,
    /// Tells this report from others.
    pub(super) digest: String,
}

impl Found {
    /// What a rule sees of it.
    pub(super) fn for_rules(&self) -> bind::Found<'_> {
        let network = self.network.as_ref().map(|key| key.name.as_str());
        bind::Found { inventory: &self.inventory, boot_mac: self.boot_mac, network }
    }
}

/// What the rules of all pools say of a machine.
#[derive(Debug, PartialEq)]
pub(super) enum Bound {
    /// No rule fits.
    Nowhere,
    /// A rule of this pool does.
    To(Key, Box<Rule>),
    /// Rules of more than one pool do: nobody guesses which.
    Torn(String),
}

impl Known {
    fn index(&mut self, host: ObjectId, traits: &Traits) {
        if let Some(serial) = &traits.serial {
            self.by_serial.entry(serial.clone()).or_default().insert(host);
        }
        if let Some(uuid) = traits.uuid {
            self.by_uuid.entry(uuid).or_default().insert(host);
        }
        for mac in &traits.macs {
            self.by_mac.entry(*mac).or_default().insert(host);
        }
    }

    fn unindex(&mut self, host: ObjectId, traits: &Traits) {
        fn without<K: std::hash::Hash + Eq>(
            map: &mut HashMap<K, BTreeSet<ObjectId>>,
            key: &K,
            host: ObjectId,
        ) {
            if let Some(hosts) = map.get_mut(key) {
                hosts.remove(&host);
                if hosts.is_empty() {
                    map.remove(key);
                }
            }
        }
        if let Some(serial) = &traits.serial {
            without(&mut self.by_serial, serial, host);
        }
        if let Some(uuid) = &traits.uuid {
            without(&mut self.by_uuid, uuid, host);
        }
        for mac in &traits.macs {
            without(&mut self.by_mac, mac, host);
        }
    }

    fn replace(&mut self, id: ObjectId, host: Option<Told>) -> Option<Told> {
        let before = self.hosts.remove(&id);
        if let Some(before) = &before {
            self.unindex(id, &before.enrolled);
            self.unindex(id, &before.seen);
        }
        if let Some(host) = host {
            self.index(id, &host.enrolled);
            self.index(id, &host.seen);
            self.hosts.insert(id, host);
        }
        before
    }

    /// The hosts that share anything with `traits`.
    fn related(&self, traits: &Traits) -> BTreeSet<ObjectId> {
        let serial = traits.serial.as_ref().and_then(|serial| self.by_serial.get(serial));
        let uuid = traits.uuid.as_ref().and_then(|uuid| self.by_uuid.get(uuid));
        let macs = traits.macs.iter().filter_map(|mac| self.by_mac.get(mac));
        serial.into_iter().chain(uuid).chain(macs).flatten().copied().collect()
    }
}

impl Register {
    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A host is as it is now.
    pub fn put_host(&self, host: &Object<Host>) {
        let now = Told::of(host);
        let mut known = self.write();
        if host.spec.boot.trusts_the_segment() {
            known.reserved.remove(&now.host);
        } else {
            known.reserved.insert(now.host);
        }
        if known.hosts.get(&now.host) == Some(&now) {
            return;
        }
        let before = known.replace(now.host, Some(now.clone()));
        drop(known);
        let concerns = |found: &Found| {
            now.touches(&found.traits) || before.as_ref().is_some_and(|it| it.touches(&found.traits))
        };
        self.seats.wake(|seat| concerns(&seat.found));
    }

    /// A host is gone.
    pub fn drop_host(&self, id: ObjectId) {
        let mut known = self.write();
        known.plans.remove(&id);
        known.reserved.remove(&id);
        let before = known.replace(id, None);
        drop(known);
        self.notes.forget(id);
        if let Some(before) = before {
            self.seats.wake(|seat| before.touches(&seat.found.traits));
        }
    }

    /// A pool is as it is now.
    pub fn put_pool(&self, pool: &Object<Pool>) {
        let (id, rules) = (pool.meta.id, &pool.spec.bind);
        let mut known = self.write();
        let before = known.pools.get(&id).map(|(_, rules)| rules);
        if before.map_or(rules.is_empty(), |before| before == rules) {
            return;
        }
        known.pools.insert(id, (pool.meta.key.clone(), rules.clone()));
        drop(known);
        self.seats.wake(|seat| seat.host.is_none());
    }

    /// A pool is gone.
    pub fn drop_pool(&self, id: ObjectId) {
        if self.write().pools.remove(&id).is_some() {
            // What two pools wanted may be one's now.
            self.seats.wake(|seat| seat.host.is_none());
        }
    }

    /// A network is as it is now.
    pub fn put_network(&self, network: &Object<Network>) {
        let seen = (network.meta.key.clone(), network.spec.cidr);
        self.write().networks.insert(network.meta.id, seen);
    }

    /// A network is gone.
    pub fn drop_network(&self, id: ObjectId) {
        self.write().networks.remove(&id);
    }

    /// What a NIC of a host boots.
    pub fn put_plan(&self, host: ObjectId, mac: Mac, plan: &Plan) {
        let Plan::Agent { token, .. } = plan else { return };
        let mut known = self.write();
        match known.plans.get_mut(&host) {
            Some((macs, old)) if old == token => drop(macs.insert(mac)),
            _ => drop(known.plans.insert(host, ([mac].into(), token.clone()))),
        }
        drop(known);
        self.seats.wake(|seat| seat.host == Some(host));
    }

    /// A host boots nothing but its own disk.
    pub fn drop_plans(&self, host: ObjectId) {
        self.write().plans.remove(&host);
    }

    /// No host has a plan, as far as is known.
    pub fn drop_all_plans(&self) {
        self.write().plans.clear();
    }

    /// Does everything boot its own disk, because the server only observes or is on hold?
    pub fn set_own_disks(&self, own_disks: bool) {
        let before = std::mem::replace(&mut self.write().own_disks, own_disks);
        if before != own_disks {
            self.seats.wake(|_| true);
        }
    }

    /// Everything was read: from now on reports are judged.
    pub fn complete(&self) {
        let before = std::mem::replace(&mut self.write().complete, true);
        if !before {
            self.seats.wake(|_| true);
        }
    }

    /// Nothing is known any more, and nobody is judged until everything was read again.
    pub fn forget(&self) {
        let mut known = self.write();
        *known = Known { own_disks: known.own_disks, ..Known::default() };
    }

    /// Was everything read?
    pub(super) fn is_complete(&self) -> bool {
        self.read().complete
    }

    /// The network of an address.
    pub(super) fn network_at(&self, address: Option<IpAddr>) -> Option<Key> {
        let IpAddr::V4(address): IpAddr = address?.to_canonical() else { return None };
        self.network_of(address)
    }

    fn network_of(&self, address: Ipv4Addr) -> Option<Key> {
        let known = self.read();
        known.networks.values().find(|(_, cidr)| cidr.contains(&address)).map(|(key, _)| key.clone())
    }

    /// Whose machine it is.
    pub(super) fn judge(&self, traits: &Traits) -> Verdict {
        let known = self.read();
        let related = known.related(traits);
        score::judge(related.iter().filter_map(|id| known.hosts.get(id)), traits)
    }

    /// The network of that name.
    pub(super) fn network_called(&self, name: &str) -> Option<Key> {
        let known = self.read();
        known.networks.values().find(|(key, _)| key.name.as_str() == name).map(|(key, _)| key.clone())
    }

    /// How many hosts there are.
    pub(super) fn hosts(&self) -> usize {
        self.read().hosts.len()
    }

    /// The token of a host's boot plan, where one is for a NIC of this machine.
    pub(super) fn token(&self, host: ObjectId, found: &Found) -> Option<Token> {
        let known = self.read();
        if known.own_disks || !known.complete || known.reserved.contains(&host) {
            return None;
        }
        let (macs, token) = known.plans.get(&host)?;
        (!macs.is_disjoint(&found.traits.macs)).then(|| token.clone())
    }

    /// What the rules of all pools say. A pool of another site than the network the machine was seen on has no say.
    pub(super) fn bound(&self, found: &Found) -> Bound {
        let known = self.read();
        if known.own_disks || !known.complete {
            return Bound::Nowhere;
        }
        let near = |site: &Name| found.network.as_ref().is_none_or(|network| network.site == *site);
        let mut fitting = known
            .pools
            .values()
            .filter(|(key, _)| near(&key.site))
            .filter_map(|(key, rules)| bind::first(rules, found.for_rules()).map(|rule| (key, rule)));
        match (fitting.next(), fitting.next()) {
            (None, _) => Bound::Nowhere,
            (Some((key, rule)), None) => Bound::To(key.clone(), Box::new(rule.clone())),
            (Some((one, _)), Some((other, _))) => Bound::Torn(format!(
                "pools {one} and {other} both have a rule for it; make one of them narrower"
            )),
        }
    }
}
