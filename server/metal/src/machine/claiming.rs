//! Which host: the one that is named, or one that the pool gives. And what a pool has to say about those it has given.

use std::time::Duration;

use underlay_core::{
    Effect, ErrorKind, Failure, Kind, Object, Step,
    bmc::Power,
    host::{self, Driver, Host},
    machine::{Deployed, Machine, Require, Spec},
    pool::Pool,
};

use super::{
    needs::Need,
    world::{LATER, SOON, World},
};

/// What comes of looking for a host.
pub(super) enum Found {
    /// This one.
    Host(Box<Object<Host>>),
    /// None yet, or never: this is what the machine does meanwhile.
    Step(Box<Step<Machine>>),
    /// There is none, and waiting brings nothing.
    Refused(Failure),
}

/// The host that the machine is to have.
pub(super) async fn find(world: &World<'_>) -> Result<Found, Failure> {
    match (&world.spec().host, &world.spec().require) {
        (Some(name), _) => match unwanted(world).await? {
            Some(step) => Ok(Found::Step(Box::new(step))),
            None => named(world, name).await,
        },
        (None, Some(require)) => required(world, require).await,
        (None, None) => Ok(Found::Refused(Failure::new(
            ErrorKind::Invalid,
            format!("machine {}: claiming a host", world.name()),
            "it neither names a host nor says what one must be",
            "nothing was touched",
            "write host or require and apply again",
        ))),
    }
}

/// A pool gave it a host before the spec named one, and nothing was begun there: that is let go first.
async fn unwanted(world: &World<'_>) -> Result<Option<Step<Machine>>, Failure> {
    let object = &world.snapshot.object;
    let held = world.view.claim(object.meta.id).await.map_err(|error| world.unreadable(&error))?;
    let Some(held) = held.filter(|held| object.status.host != Some(*held)) else { return Ok(None) };
    let host = world.host(held).await?;
    let (key, wanted) = (&host.meta.key, object.spec.host.as_deref().unwrap_or_default());
    if wanted == key.name.as_str() || wanted == format!("{}/{}", key.owner, key.name) {
        return Ok(None);
    }
    let reason = format!("host {} to be let go, which it wants no more", key.name);
    let step = Step::wait(world.status(), reason, Duration::ZERO);
    Ok(Some(step.with(Effect::Release { host: held })))
}

async fn named(world: &World<'_>, name: &str) -> Result<Found, Failure> {
    let key = &world.snapshot.object.meta.key;
    let raw = world.view.by_name(key, Kind::Host, name).await.map_err(|error| world.unreadable(&error))?;
    let Some(raw) = raw else {
        let why = format!("there is no host \"{name}\" in site {}", key.site);
        let next = "enrol it as an underlay_host, or name another: underlay get hosts";
        return Ok(Found::Refused(unmet(world, name, ErrorKind::Invalid, why, next.into())));
    };
    let host = raw.decode::<Host>().map_err(|error| world.unreadable(&error))?;
    Ok(match usable(world, name, &host) {
        Need::Met(()) => Found::Host(Box::new(host)),
        Need::NotYet(reason, amount) => {
            Found::Step(Box::new(Step::wait(world.status(), reason, LATER).at(amount)))
        }
        Need::Unmet(failure) => Found::Refused(failure),
    })
}

/// Can a machine be put on it?
fn usable(world: &World<'_>, name: &str, host: &Object<Host>) -> Need<()> {
    match &host.state {
        host::State::Available if host.meta.deleted_at.is_none() => Need::Met(()),
        host::State::Available | host::State::Leaving => {
            let next = "name another host: underlay get hosts";
            let why = "the host is being destroyed".into();
            Need::Unmet(unmet(world, name, ErrorKind::Permanent, why, next.into()))
        }
        host::State::Enrolling => {
            let failure = host.progress.failure.as_ref().map(|failure| failure.why.as_str());
            let why = failure.or(host.progress.waiting_for.as_deref());
            let why = why.unwrap_or("its driver has not answered yet");
            Need::NotYet(format!("host {name} to be enrolled: {why}"), None)
        }
        host::State::Tended { .. } => {
            let phase = underlay_core::State::phase(&host.state);
            let what = host.progress.waiting_for.as_deref().unwrap_or("it has just begun");
            Need::NotYet(format!("host {name}, which is {phase}: {what}"), host.progress.amount)
        }
        host::State::Quarantined { failure, .. } => {
            let why = format!("the host is quarantined: {}: {}", failure.what, failure.why);
            let next = format!(
                "repair it and clear it (underlay host clear {name}), then apply again; or name another host"
            );
            Need::Unmet(unmet(world, name, ErrorKind::Permanent, why, next))
        }
    }
}

fn unmet(world: &World<'_>, host: &str, kind: ErrorKind, why: String, next: String) -> Failure {
    let what = format!("machine {}: claiming host {host}", world.name());
    Failure::new(kind, what, why, "nothing was touched", next).at("host")
}

/// The host that the pool has given, or a place in its queue.
async fn required(world: &World<'_>, require: &Require) -> Result<Found, Failure> {
    let object = &world.snapshot.object;
    let id = object.meta.id;
    if let Some(held) = world.view.claim(id).await.map_err(|error| world.unreadable(&error))? {
        let host = world.host(held).await?;
        // What was deployed on it stays with it, whatever became of it since.
        if object.status.deployed.is_some() || matches!(usable(world, "", &host), Need::Met(())) {
            return Ok(Found::Host(Box::new(host)));
        }
        if let Need::NotYet(reason, amount) = usable(world, host.meta.key.name.as_str(), &host) {
            return Ok(Found::Step(Box::new(Step::wait(world.status(), reason, LATER).at(amount))));
        }
        return let_go(world, &host).await.map(|step| Found::Step(Box::new(step)));
    }
    let found = world.view.by_name(&object.meta.key, Kind::Pool, &require.pool).await;
    let Some(raw) = found.map_err(|error| world.unreadable(&error))? else {
        let failure = Failure::new(
            ErrorKind::Invalid,
            format!("machine {}: claiming a host of pool {}", world.name(), require.pool),
            format!("there is no pool \"{}\" in site {}", require.pool, object.meta.key.site),
            "nothing was touched",
            format!("add an underlay_pool \"{}\", or name another: underlay get pools", require.pool),
        );
        return Ok(Found::Refused(failure.at("require.pool")));
    };
    let pool = raw.decode::<Pool>().map_err(|error| world.unreadable(&error))?;
    let reason = match pool.status.unmet.get(&id) {
        Some(why) => format!("a host of pool {}: {why}", require.pool),
        None => format!("a host of pool {}", require.pool),
    };
    let step = Step::wait(world.status(), reason, LATER).with(Effect::Want { pool: pool.meta.id });
    Ok(Found::Step(Box::new(step)))
}

/// Lets a host go that cannot be used any more. Where its agent has been given the machine's work it may run the machine,
/// and is let go only once it is seen off.
async fn let_go(world: &World<'_>, host: &Object<Host>) -> Result<Step<Machine>, Failure> {
    let (name, mut status) = (&host.meta.key.name, world.status());
    let may_run = status.host == Some(host.meta.id) && status.inventory.is_some();
    if may_run && !seen_off(world, host).await? {
        let reason = format!("host {name}, which cannot be used any more, to switch off");
        return Ok(world.switching(host, (Power::Off, None), reason, SOON));
    }
    status.host = None;
    status.host_name = None;
    status.inventory = None;
    let text = format!("let host {name} go again: it cannot be used any more");
    let step = Step::wait(status, "another host of its pool", LATER);
    let lets_go =
        if may_run { let_go_of(world, host).await? } else { Effect::Release { host: host.meta.id } };
    Ok(step.with(lets_go).with(Effect::Note { text }))
}

/// What gives up a host that may have been written to: where its pool has hosts cleaned, nobody else gets it before it is.
pub(super) async fn let_go_of(world: &World<'_>, host: &Object<Host>) -> Result<Effect, Failure> {
    let id = host.meta.id;
    let cleans = pool_of(world, host).await?.is_some_and(|pool| !pool.spec.clean.is_none());
    let cleans = cleans && host.spec.driver != Driver::None;
    Ok(if cleans { Effect::HandOver { host: id } } else { Effect::Release { host: id } })
}

/// Is the host off? It is asked to be.
pub(super) async fn seen_off(world: &World<'_>, host: &Object<Host>) -> Result<bool, Failure> {
    let bmc = world.bmc(host).await?;
    let observed =
        bmc.observe().await.map_err(|error| world.driver_failed(host, "reading its power", &error))?;
    if observed.power == Power::Off {
        return Ok(true);
    }
    bmc.ensure_power(Power::Off)
        .await
        .map_err(|error| world.driver_failed(host, "switching it off", &error))?;
    Ok(false)
}

/// The pool that a host belongs to, if there is one of that name.
pub(super) async fn pool_of(world: &World<'_>, host: &Object<Host>) -> Result<Option<Object<Pool>>, Failure> {
    let found = world.view.by_name(&host.meta.key, Kind::Pool, &host.spec.pool).await;
    let raw = found.map_err(|error| world.unreadable(&error))?;
    raw.map(|raw| raw.decode::<Pool>()).transpose().map_err(|error| world.unreadable(&error))
}

/// What a deployment had in common with others of its pool.
pub(super) fn shared(target: &Deployed, spec: &Spec, pool: &Object<Pool>) -> Vec<(String, String)> {
    let image = target.image.rsplit('@').next().unwrap_or_default();
    let mut shared = vec![("image".to_owned(), image.to_owned())];
    if let Some(digest) = &spec.user_data_digest {
        shared.push(("user_data".into(), digest.clone()));
    }
    shared.push(("the boot network of pool".into(), pool.meta.key.name.to_string()));
    shared
}

/// May a machine that runs be disturbed now? Its pool may say that as many as may be are already.
pub(super) async fn turn(world: &World<'_>, host: &Object<Host>) -> Result<Turn, Failure> {
    let Some(pool) = pool_of(world, host).await? else { return Ok(Turn::Free) };
    let id = pool.meta.id;
    let Some(limit) = pool.spec.max_disrupted else {
        return Ok(Turn::Now(Effect::Disturb { pool: id, limit: usize::MAX }));
    };
    let census = world.view.census(id).await.map_err(|error| world.unreadable(&error))?;
    let most = limit.of(usize::try_from(census.claimed).unwrap_or(usize::MAX));
    let others: Vec<&str> =
        census.disturbed.iter().map(String::as_str).filter(|name| *name != world.name()).collect();
    if others.len() < most {
        return Ok(Turn::Now(Effect::Disturb { pool: id, limit: most }));
    }
    let shown = others.iter().take(5).copied().collect::<Vec<_>>().join(", ");
    let more = if others.len() > 5 { format!(" and {} more", others.len() - 5) } else { String::new() };
    let reason = format!(
        "its turn: pool {} lets {most} machines be disrupted at once (max_disrupted = \"{limit}\"), and {shown}{more} \
         are",
        pool.meta.key.name
    );
    let step = Step::wait(world.status(), reason, LATER).with(Effect::AwaitTurn { pool: id });
    Ok(Turn::Later(Box::new(step)))
}

/// Whether a machine may be disturbed.
pub(super) enum Turn {
    /// Nobody counts.
    Free,
    /// It may, and counts from now on.
    Now(Effect),
    /// Not yet: this is what it does meanwhile.
    Later(Box<Step<Machine>>),
}
