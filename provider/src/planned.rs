//! What else the present plan changes, so that a machine is not refused for an image or a host that is made before it, and is
//! judged by profiles that come with it.
//!
//! Terraform plans what an object refers to before the object itself, in the same process. What is noted here only quiets
//! objections of a Preview, or goes into it; the Put is judged anew.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use underlay_proto::v1 as pb;

/// Objects that this plan creates or changes.
#[derive(Debug, Default)]
pub(crate) struct Planned(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    names: HashSet<(&'static str, String)>,
    profiles: HashMap<String, pb::ProfileSpec>,
    pools: HashMap<String, pb::PoolSpec>,
    hosts: HashMap<String, String>,
    site: Option<pb::SiteSpec>,
    steps: HashMap<String, pb::StepSpec>,
}

/// What a machine inherits from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lenders<'a> {
    pub(crate) profiles: &'a [String],
    pub(crate) pool: &'a str,
    pub(crate) host: &'a str,
    pub(crate) steps: &'a [String],
}

impl Planned {
    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the plan creates or changes an object.
    pub(crate) fn note(&self, kind: &'static str, name: &str) {
        self.noted().names.insert((kind, name.to_owned()));
    }

    /// Whether the plan creates or changes any object of that kind.
    pub(crate) fn has_any(&self, kind: &'static str) -> bool {
        self.noted().names.iter().any(|(noted, _)| *noted == kind)
    }

    /// Whether the plan creates or changes it. A name may be `OWNER/NAME`.
    pub(crate) fn has(&self, kind: &'static str, name: &str) -> bool {
        let name = name.rsplit('/').next().unwrap_or(name).to_owned();
        self.noted().names.contains(&(kind, name))
    }

    /// What the plan makes of a profile.
    pub(crate) fn profile(&self, name: &str, spec: pb::ProfileSpec) {
        self.noted().profiles.insert(name.to_owned(), spec);
    }

    /// What the plan makes of a pool.
    pub(crate) fn pool(&self, name: &str, spec: pb::PoolSpec) {
        self.noted().pools.insert(name.to_owned(), spec);
    }

    /// The pool that the plan puts a host into.
    pub(crate) fn host(&self, name: &str, pool: &str) {
        self.noted().hosts.insert(name.to_owned(), pool.to_owned());
    }

    /// What the plan makes of a step.
    pub(crate) fn step(&self, name: &str, spec: pb::StepSpec) {
        self.noted().steps.insert(name.to_owned(), spec);
    }

    /// What the plan makes of the site.
    pub(crate) fn site(&self, spec: pb::SiteSpec) {
        self.noted().site = Some(spec);
    }

    /// What the plan makes of those that a machine inherits from; `None` where it changes none of them.
    pub(crate) fn inherited(&self, from: Lenders<'_>) -> Option<pb::Planned> {
        let noted = self.noted();
        let mut planned = pb::Planned { site: noted.site.clone(), ..Default::default() };
        let known = |name: &String| Some((name.clone(), noted.profiles.get(name)?.clone()));
        planned.profiles.extend(from.profiles.iter().filter_map(known));
        let step = |name: &String| Some((name.clone(), noted.steps.get(name)?.clone()));
        planned.steps.extend(from.steps.iter().filter_map(step));
        let home = noted.hosts.get(from.host);
        planned.hosts.extend(home.map(|pool| (from.host.to_owned(), pool.clone())));
        for pool in [Some(from.pool), home.map(String::as_str)].into_iter().flatten() {
            planned.pools.extend(noted.pools.get(pool).map(|spec| (pool.to_owned(), spec.clone())));
        }
        // The host may be stored already, in a pool that the plan changes.
        if home.is_none() && from.pool.is_empty() && !from.host.is_empty() {
            planned.pools.extend(noted.pools.iter().map(|(name, spec)| (name.clone(), spec.clone())));
        }
        let named = planned.pools.values().filter_map(|pool| pool.steps.clone());
        let named: Vec<String> =
            named.flat_map(|steps| steps.pre_deploy.into_iter().chain(steps.post_deploy)).collect();
        planned.steps.extend(named.iter().filter_map(step));
        (planned != pb::Planned::default()).then_some(planned)
    }

    /// Is anything that a machine inherits from going to be what nobody knows yet?
    pub(crate) fn is_vague(&self, from: Lenders<'_>) -> bool {
        let noted = self.noted();
        let named = |kind: &'static str, name: &str| noted.names.contains(&(kind, name.to_owned()));
        let profile = |name: &String| named("profile", name) && !noted.profiles.contains_key(name);
        let pool = |name: &str| named("pool", name) && !noted.pools.contains_key(name);
        let step = |name: &String| named("step", name) && !noted.steps.contains_key(name);
        from.profiles.iter().any(profile)
            || from.steps.iter().any(step)
            || pool(from.pool)
            || noted.hosts.get(from.host).is_some_and(|home| pool(home))
            || (named("host", from.host) && !noted.hosts.contains_key(from.host))
            || (noted.names.iter().any(|(kind, _)| *kind == "site") && noted.site.is_none())
    }
}
