//! What a plan is about to change that its machines inherit from, as the provider tells it in a Preview: so that a profile and
//! the machine that uses it are judged together before either is there.
//!
//! Invariant: it is heard in a Preview only. A Put is judged by what is stored.

use std::collections::{BTreeMap, HashMap};

use underlay_core::{
    FieldError, Key, Name, Object, ObjectId,
    host::Host,
    machine,
    profile::{self, Inheritance, Lender, Values},
    step::{self, Steps, When},
};
use underlay_proto::v1 as pb;

use crate::{
    context::Context,
    convert::{Faults, profile as wire, step as step_wire, values},
    errors::Error,
};

/// The most of each kind that are looked at.
const MOST: usize = 256;

/// What a plan is about to change.
#[derive(Debug, Default)]
pub(crate) struct Planned {
    profiles: BTreeMap<String, profile::Spec>,
    pools: BTreeMap<String, Values>,
    hosts: HashMap<String, String>,
    site: Option<Values>,
    steps: BTreeMap<String, step::Spec>,
    pool_steps: BTreeMap<String, Steps>,
}

impl Planned {
    /// Reads what the provider sent. What cannot be read is left out: its own Preview says what is wrong with it.
    pub(crate) fn read(message: pb::Planned) -> Self {
        let read = |message| values::values(&mut Faults::default(), "values", message);
        let profiles = message.profiles.into_iter().take(MOST);
        let steps = message.steps.into_iter().take(MOST);
        let named = |spec: &pb::PoolSpec| step_wire::steps(&mut Faults::default(), spec.steps.clone());
        let pool_steps =
            message.pools.iter().take(MOST).map(|(name, spec)| (name.clone(), named(spec))).collect();
        let pools = message.pools.into_iter().take(MOST);
        Self {
            profiles: profiles.filter_map(|(name, spec)| Some((name, wire::spec(spec).ok()?))).collect(),
            pool_steps,
            pools: pools.map(|(name, spec)| (name, read(spec.values))).collect(),
            hosts: message.hosts,
            steps: steps.filter_map(|(name, spec)| Some((name, step_wire::spec(spec).ok()?))).collect(),
            site: message.site.map(|site| read(site.values)),
        }
    }

    /// The change of one profile, by whatever name a machine knows it.
    pub(super) fn profile(key: &Key, spec: &profile::Spec) -> Self {
        let names = [key.name.to_string(), format!("{}/{}", key.owner, key.name)];
        Self { profiles: names.map(|name| (name, spec.clone())).into(), ..Self::default() }
    }

    /// The pool that the machine's host will be of, as far as the plan says it.
    pub(super) fn pool<'a>(&'a self, spec: &'a machine::Spec) -> Option<&'a String> {
        let named = spec.require.as_ref().map(|require| &require.pool);
        named.or_else(|| self.hosts.get(spec.host.as_ref()?))
    }

    /// Which steps the plan has a pool name.
    pub(super) fn steps_of(&self, pool: &str) -> Option<&Steps> {
        self.pool_steps.get(pool)
    }

    /// What the plan makes of a step.
    pub(super) fn step(&self, name: &str) -> Option<&step::Spec> {
        self.steps.get(name)
    }

    /// Is what `fault` misses a profile or a step that the plan brings?
    pub(crate) fn brings(&self, fault: &FieldError, spec: &machine::Spec) -> bool {
        let step = |when: When| {
            let prefix = format!("steps.{}.", when.as_str());
            let at = fault.attribute.strip_prefix(&prefix)?.parse::<usize>().ok()?;
            spec.steps.at(when).get(at)
        };
        if [When::PreDeploy, When::PostDeploy]
            .into_iter()
            .filter_map(step)
            .any(|name| self.steps.contains_key(name))
        {
            return true;
        }
        let at = fault.attribute.strip_prefix("profiles.").and_then(|at| at.parse::<usize>().ok());
        at.and_then(|at| spec.profiles.get(at)).is_some_and(|name| self.profiles.contains_key(name))
    }

    fn overlay(&self, inheritance: &mut Inheritance, key: &Key, spec: &machine::Spec) {
        let mut profiles = Vec::new();
        let mut missing = Vec::new();
        for (at, name) in spec.profiles.iter().enumerate() {
            let stored = inheritance.profiles.iter().find(|lender| lender.name == *name);
            match (self.profiles.get(name), stored) {
                (Some(spec), stored) => {
                    let id = stored.map_or_else(ObjectId::new, |lender| lender.id);
                    profiles.push(Lender { id, name: name.clone(), spec: spec.clone() });
                }
                (None, Some(lender)) => profiles.push(lender.clone()),
                (None, None) => missing.push((at, name.clone())),
            }
        }
        (inheritance.profiles, inheritance.missing) = (profiles, missing);
        let named = spec.host.as_ref().and_then(|host| self.hosts.get(host));
        let pool = spec.require.as_ref().map(|require| &require.pool).or(named);
        let pool = pool.cloned().or_else(|| inheritance.pool.as_ref().map(|(name, _)| name.clone()));
        if let Some((name, values)) = pool.and_then(|name| self.pools.get_key_value(&name)) {
            inheritance.pool = Some((name.clone(), values.clone()));
        }
        if let Some(values) = &self.site {
            inheritance.site = Some((key.site.to_string(), values.clone()));
        }
    }
}

impl Context {
    /// What a machine inherits from, as it will be after the plan that asks.
    pub(crate) async fn inheritance(
        &self,
        key: &Key,
        spec: &machine::Spec,
        host: Option<&Object<Host>>,
    ) -> Result<Inheritance, Error> {
        let mut inheritance = Inheritance::gather(&self.store, key, spec, host).await?;
        if !spec.profiles.is_empty() {
            // A pool that is planned for a host that is planned may be stored already.
            let planned_pool = spec.host.as_ref().and_then(|host| self.planned.hosts.get(host));
            if inheritance.pool.is_none()
                && let Some(name) = planned_pool
                && let Some(record) = self.store.resolve(key, underlay_core::Kind::Pool, name).await?
            {
                let pool = record.raw.decode::<underlay_core::pool::Pool>()?;
                inheritance.pool = Some((Name::to_string(&pool.meta.key.name), pool.spec.values));
            }
            self.planned.overlay(&mut inheritance, key, spec);
        }
        Ok(inheritance)
    }
}
