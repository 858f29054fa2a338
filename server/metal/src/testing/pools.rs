//! The rack's pools: who wants a host, who is disturbed, what failed, as the store keeps them.

use std::collections::BTreeMap;

use underlay_core::{
    Effect, Kind, ObjectId,
    host::Host,
    observation::{Body, Source},
    view::{Census, RawObject},
};

use super::rack::Stored;

/// What is kept of pools.
#[derive(Default)]
pub(crate) struct Rows {
    /// Machine, pool; in the order in which they came.
    wants: Vec<(ObjectId, ObjectId)>,
    /// Machine -> pool, has it begun?
    disturbed: BTreeMap<ObjectId, (ObjectId, bool)>,
    /// Pool, what, which, host.
    accused: Vec<(ObjectId, (String, String), ObjectId)>,
    /// How many who wait are shown at once; `None`: all.
    pub(super) shown: Option<usize>,
}

impl Stored {
    /// Would the store refuse to commit this?
    pub(super) fn is_crowded(&self, by: ObjectId, effect: &Effect) -> bool {
        let Effect::Disturb { pool, limit } = effect else { return false };
        let others = self.pools.disturbed.iter();
        others.filter(|(machine, (of, begun))| **machine != by && of == pool && *begun).count() >= *limit
    }

    /// Takes the effects that have to do with pools; gives back the others.
    pub(super) fn take_of_pools(&mut self, by: ObjectId, effect: Effect) -> Option<Effect> {
        match effect {
            Effect::Want { pool } => {
                if !self.pools.wants.contains(&(by, pool)) {
                    self.pools.wants.retain(|(machine, _)| *machine != by);
                    self.pools.wants.push((by, pool));
                    self.kick(pool);
                }
            }
            Effect::Unwant => self.pools.wants.retain(|(machine, _)| *machine != by),
            Effect::Grant { host, machine } => {
                let waits = self.pools.wants.contains(&(machine, by));
                if !waits || self.claims.contains_key(&host) {
                    self.kick(by);
                    return None;
                }
                self.claims.insert(host, machine);
                self.pools.wants.retain(|(waiting, _)| *waiting != machine);
                self.kick(machine);
                self.kick(host);
            }
            Effect::AwaitTurn { pool } => {
                self.pools.disturbed.entry(by).or_insert((pool, false));
            }
            Effect::Disturb { pool, .. } => {
                self.pools.disturbed.insert(by, (pool, true));
            }
            Effect::Settle => self.settle_pools(by),
            Effect::Accuse { host, pool, failure, shared } => {
                for what in shared {
                    self.pools.accused.push((pool, what, host));
                }
                let machine = self.objects[&by].meta.key.name.to_string();
                self.see(host, Source::Accuser, Body::Accused { machine, failure });
            }
            Effect::Absolve { pool, shared } => {
                self.pools.accused.retain(|(of, what, _)| *of != pool || !shared.contains(what));
            }
            other => return Some(other),
        }
        None
    }

    /// The machine is as it should be, or gone.
    pub(super) fn settle_pools(&mut self, machine: ObjectId) {
        self.pools.wants.retain(|(waiting, _)| *waiting != machine);
        if let Some((pool, _)) = self.pools.disturbed.remove(&machine) {
            let waiting: Vec<_> = self
                .pools
                .disturbed
                .iter()
                .filter(|(_, row)| **row == (pool, false))
                .map(|(id, _)| *id)
                .collect();
            waiting.into_iter().for_each(|id| self.kick(id));
        }
    }

    /// The pool of that name is looked at when one of its hosts changes.
    pub(super) fn wake_pool(&mut self, host: ObjectId) {
        let Some(raw) = self.objects.get(&host).filter(|raw| raw.meta.kind == Kind::Host) else { return };
        let name = raw.clone().decode::<Host>().expect("a host").spec.pool;
        let named = |raw: &&RawObject| raw.meta.kind == Kind::Pool && raw.meta.key.name.as_str() == name;
        let pool = self.objects.values().find(named).map(|raw| raw.meta.id);
        if let Some(pool) = pool {
            self.kick(pool);
        }
    }

    pub(super) fn wants(&self, pool: ObjectId) -> Vec<RawObject> {
        self.waiting(pool).take(self.pools.shown.unwrap_or(usize::MAX)).cloned().collect()
    }

    fn waiting(&self, pool: ObjectId) -> impl Iterator<Item = &RawObject> {
        let wants = self.pools.wants.iter().filter(move |(_, of)| *of == pool);
        let living = |raw: &&RawObject| raw.meta.deleted_at.is_none() && raw.meta.purged_at.is_none();
        wants.filter_map(|(machine, _)| self.objects.get(machine)).filter(living)
    }

    pub(super) fn members(&self, pool: ObjectId) -> Vec<(RawObject, Option<ObjectId>)> {
        let name = self.objects[&pool].meta.key.name.to_string();
        let of_pool = |raw: &&RawObject| {
            raw.meta.kind == Kind::Host
                && raw.meta.purged_at.is_none()
                && RawObject::clone(raw).decode::<Host>().expect("a host").spec.pool == name
        };
        let hosts = self.objects.values().filter(of_pool);
        hosts.map(|raw| (raw.clone(), self.claims.get(&raw.meta.id).copied())).collect()
    }

    pub(super) fn tenants(&self, pool: ObjectId) -> Vec<RawObject> {
        let members = self.members(pool).into_iter();
        let holders = members.filter_map(|(raw, holder)| holder.filter(|holder| *holder != raw.meta.id));
        holders.filter_map(|machine| self.objects.get(&machine).cloned()).collect()
    }

    pub(super) fn census(&self, pool: ObjectId) -> Census {
        let mut census = Census { waiting: self.waiting(pool).count() as u64, ..Census::default() };
        for (raw, holder) in self.members(pool) {
            let own = raw.meta.id;
            let state = raw.decode::<Host>().expect("a host").state;
            census.hosts += 1;
            census.claimed += u64::from(holder.is_some_and(|holder| holder != own));
            match state {
                underlay_core::host::State::Quarantined { .. } => census.quarantined += 1,
                underlay_core::host::State::Available if holder.is_none() => census.free += 1,
                _ => {}
            }
        }
        let begun = self.pools.disturbed.iter().filter(|(_, row)| **row == (pool, true));
        census.disturbed = begun.map(|(id, _)| self.objects[id].meta.key.name.to_string()).collect();
        census
    }

    pub(super) fn accused(&self, pool: ObjectId, shared: &(String, String)) -> Vec<ObjectId> {
        let of = self.pools.accused.iter().filter(|(of, what, _)| *of == pool && what == shared);
        let mut hosts: Vec<_> = of.map(|(_, _, host)| *host).collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    }
}
