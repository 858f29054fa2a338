//! Replacing: the host is at fault and nothing was ever ready on it. Once it is seen off and set aside it is let go, and
//! the pool gives another, so often as the pool allows.
//!
//! Three deployments that failed on different hosts and had something in common speak against that, not against the
//! hosts: then nothing more is tried, so that a bad image does not go through the whole pool.

use jiff::Timestamp;
use underlay_core::{
    Effect, ErrorKind, Failure, Object, Step,
    bmc::Power,
    host::{self, Host},
    machine::{Machine, Run, State},
    observation::Source,
    pool::Pool,
};

use super::{
    claiming,
    world::{Disk, LATER, SOON, World, withdrawn},
};

/// So many hosts accused of the same are not all broken.
const COINCIDENCE: usize = 3;

pub(super) async fn step(world: &World<'_>, run: &Run, failure: &Failure) -> Result<Step<Machine>, Failure> {
    let host = world.host(run.host).await?;
    let Some(pool) = claiming::pool_of(world, &host).await? else {
        return Ok(world.stand(run, failure.clone(), Disk::Touched));
    };
    let Some(accused_at) = accused_at(world, run).await? else {
        return Ok(accuse(world, run, &host, &pool, failure));
    };
    if let Some(refusal) = enough(world, run, &pool, failure).await? {
        return Ok(world.stand(run, refusal, Disk::Touched));
    }
    let name = &host.meta.key.name;
    // One that is being asked anew who it is cannot be given out either. One that has become available since was cleared
    // by somebody, and is not set aside for what was said before.
    if host.state == host::State::Available && host.progress.since <= accused_at {
        let reason = format!("host {name} to be set aside: {}", failure.why);
        return Ok(Step::wait(world.status(), reason, LATER));
    }
    // Before the seed was handed out nothing of this machine can run there; after it, it must be seen off.
    let may_run = run.phone_home.is_some();
    match claiming::seen_off(world, &host).await {
        Ok(true) => {
            let lets_go = claiming::let_go_of(world, &host).await?;
            Ok(let_go(world, run, &host, failure, lets_go))
        }
        _ if !may_run && world.snapshot.is_stalled(world.machines.patience.power) => {
            let lets_go = claiming::let_go_of(world, &host).await?;
            Ok(let_go(world, run, &host, failure, lets_go))
        }
        Ok(false) => {
            let reason = format!("host {name} to switch off, before another is taken in its place");
            Ok(world.switching(&host, (Power::Off, None), reason, SOON))
        }
        Err(error) => {
            let reason =
                format!("host {name} to be seen off, before another is taken in its place: {}", error.why);
            Ok(Step::wait(world.status(), reason, LATER))
        }
    }
}

/// When the host was accused of this, if it was.
async fn accused_at(world: &World<'_>, run: &Run) -> Result<Option<Timestamp>, Failure> {
    let seen = world.observed(run.host, Source::Accuser).await?.map(|seen| seen.at);
    Ok(seen.filter(|at| *at >= world.snapshot.object.progress.since))
}

#[track_caller]
fn accuse(
    world: &World<'_>,
    run: &Run,
    host: &Object<Host>,
    pool: &Object<Pool>,
    failure: &Failure,
) -> Step<Machine> {
    let reason = format!("host {} to be set aside: {}", host.meta.key.name, failure.why);
    Step::wait(world.status(), reason, SOON).with(Effect::Accuse {
        host: run.host,
        pool: pool.meta.id,
        failure: Box::new(failure.clone()),
        shared: claiming::shared(&run.target, world.spec(), pool),
    })
}

/// Why no other host is tried, where none is.
async fn enough(
    world: &World<'_>,
    run: &Run,
    pool: &Object<Pool>,
    failure: &Failure,
) -> Result<Option<Failure>, Failure> {
    let given_up = &world.snapshot.object.status.given_up;
    let refuse = |why: String, next: String| {
        let done = "its host was set aside and is kept for a look at it; no other was taken";
        Some(Failure::new(ErrorKind::Permanent, failure.what.clone(), why, done, next))
    };
    for shared in claiming::shared(&run.target, world.spec(), pool) {
        let accused =
            world.view.accused(pool.meta.id, &shared).await.map_err(|error| world.unreadable(&error))?;
        if accused.len() >= COINCIDENCE {
            let (what, which) = &shared;
            let why = format!(
                "{}; {} hosts have failed with {what} {which}, so that is what is at fault, more likely than the hosts",
                failure.why,
                accused.len()
            );
            let next =
                format!("check {what} {which}, clear the hosts (underlay host clear NAME), then apply again");
            return Ok(refuse(why, next));
        }
    }
    let allowed = usize::try_from(pool.spec.replacements).unwrap_or(usize::MAX);
    if given_up.len() >= allowed {
        let tried: Vec<_> = given_up.iter().map(String::as_str).collect();
        let before =
            if tried.is_empty() { String::new() } else { format!("; before it {}", tried.join(", ")) };
        let why =
            format!("{}{before}; pool {} allows {allowed} replacements", failure.why, pool.meta.key.name);
        return Ok(refuse(
            why,
            "repair the hosts and clear them (underlay host clear NAME), then apply again".into(),
        ));
    }
    Ok(None)
}

#[track_caller]
fn let_go(
    world: &World<'_>,
    run: &Run,
    host: &Object<Host>,
    failure: &Failure,
    lets_go: Effect,
) -> Step<Machine> {
    let mut status = world.status();
    let name = host.meta.key.name.to_string();
    let text = format!("gave up host {name}: {}; taking another of the pool", failure.why);
    status.given_up.push(name);
    status.host = None;
    status.host_name = None;
    status.inventory = None;
    status.deployed = None;
    withdrawn(Step::advance(status, State::Pending), run.host)
        .with(lets_go)
        .with(Effect::Wake { id: run.host })
        .with(Effect::Note { text })
}
