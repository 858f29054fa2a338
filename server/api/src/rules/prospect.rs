//! Would a machine that requires something find a host now? A plan warns where not: the hosts may come with the same plan,
//! so it is no error.
//!
//! A plan asks for its machines one by one, so what was found for one is kept from the others for a while. What is known
//! of a pool's hosts is kept for as long as a plan takes to ask for a few machines; it decides nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::time::Instant;
use underlay_core::{
    FieldError, Key, Kind, Name, Object, ObjectId,
    allocation::{Answer, Candidate, Placed, Want, choose},
    host::Host,
    machine::{Machine, Require, Spec, Spread},
    pool::{Pool, Trust},
};

use crate::{context::Context, errors::Error};

/// How long a pool is taken to be as it was.
const FRESH: Duration = Duration::from_secs(2);
/// How long what was found for one machine is kept from others.
const KEPT: Duration = Duration::from_secs(60);
/// Pools and answers that are kept at most.
const MOST: usize = 1 << 14;

/// What was found for machines that are planned.
#[derive(Default)]
pub(crate) struct Prospects(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    pools: HashMap<ObjectId, (Instant, Arc<Seen>)>,
    planned: HashMap<Key, Planned>,
}

/// A pool as it was seen.
struct Seen {
    hosts: Vec<Candidate>,
    tenants: HashMap<ObjectId, Object<Machine>>,
}

/// What was found for one machine.
#[derive(Clone)]
struct Planned {
    at: Instant,
    pool: ObjectId,
    spread: Option<Spread>,
    host: ObjectId,
}

impl Prospects {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn fresh(&self, pool: ObjectId) -> Option<Arc<Seen>> {
        let kept = self.kept();
        kept.pools.get(&pool).filter(|(at, _)| at.elapsed() < FRESH).map(|(_, seen)| seen.clone())
    }

    fn keep_pool(&self, pool: ObjectId, seen: Arc<Seen>) {
        let mut kept = self.kept();
        kept.pools.retain(|_, (at, _)| at.elapsed() < FRESH);
        if kept.pools.len() < MOST {
            kept.pools.insert(pool, (Instant::now(), seen));
        }
    }

    /// What was found for other machines of `pool` than `key`.
    fn others(&self, pool: ObjectId, key: &Key) -> Vec<(Name, Name, Planned)> {
        let mut kept = self.kept();
        kept.planned.retain(|_, planned| planned.at.elapsed() < KEPT);
        let others = kept.planned.iter().filter(|(other, planned)| *other != key && planned.pool == pool);
        others.map(|(key, planned)| (key.owner.clone(), key.name.clone(), planned.clone())).collect()
    }

    fn keep(&self, key: &Key, planned: Planned) {
        let mut kept = self.kept();
        if kept.planned.len() < MOST {
            kept.planned.insert(key.clone(), planned);
        }
    }
}

/// The warning that a machine deserves for which there is no host now.
pub(super) async fn warn(
    context: &Context,
    key: &Key,
    spec: &Spec,
    require: &Require,
) -> Result<Option<FieldError>, Error> {
    let Some(pool) = context.store.resolve(key, Kind::Pool, &require.pool).await? else { return Ok(None) };
    let trust = pool.raw.clone().decode::<Pool>()?.spec.trust;
    let pool = pool.id();
    let seen = look(context, pool, trust).await?;
    let others = context.prospects.others(pool, key);
    let planned = others.iter().map(|(owner, name, planned)| Placed {
        owner,
        name,
        spread: planned.spread.as_ref(),
        host: planned.host,
    });
    let tenants = seen.hosts.iter().filter_map(|host| {
        let holder = host.availability.holder()?;
        let machine = seen.tenants.get(&holder)?;
        let (key, spread) = (&machine.meta.key, machine.spec.spread.as_ref());
        Some(Placed { owner: &key.owner, name: &key.name, spread, host: host.id })
    });
    let placed: Vec<Placed<'_>> = planned.chain(tenants).collect();
    let want = Want {
        machine: ObjectId::new(),
        owner: &key.owner,
        name: &key.name,
        require,
        spread: spec.spread.as_ref(),
    };
    let answer = choose(&[want], &seen.hosts, &placed).pop();
    match answer {
        Some(Answer::Host(host)) => {
            let spread = spec.spread.clone();
            context.prospects.keep(key, Planned { at: Instant::now(), pool, spread, host });
            Ok(None)
        }
        Some(Answer::None(why)) => Ok(Some(FieldError::new(
            "require",
            format!("as things stand it would wait for a host of pool {}: {why}", require.pool),
        ))),
        None => Ok(None),
    }
}

async fn look(context: &Context, pool: ObjectId, trust: Trust) -> Result<Arc<Seen>, Error> {
    if let Some(seen) = context.prospects.fresh(pool) {
        return Ok(seen);
    }
    let mut hosts = Vec::new();
    for (record, holder) in context.store.members(pool).await? {
        let host = record.raw.decode::<Host>()?;
        hosts.push(Candidate::new(&host, holder).trusted(&host, trust));
    }
    let mut tenants = HashMap::new();
    for record in context.store.tenants(pool).await? {
        tenants.insert(record.id(), record.raw.decode::<Machine>()?);
    }
    let seen = Arc::new(Seen { hosts, tenants });
    context.prospects.keep_pool(pool, seen.clone());
    Ok(seen)
}
