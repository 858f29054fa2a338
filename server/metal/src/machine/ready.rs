//! Ready: rest. A new spec is held against what is deployed: what `redeploy` names starts a new deployment in place, the
//! rest is shown as pending.
//!
//! A change that would disrupt more than the spec allows starts nothing: the API refuses it before it gets here, and
//! this state holds the same fence.

use underlay_core::{
    Effect, Failure, Step,
    machine::{Change, Deployed, Disruption, Machine, State, Status, plan},
    observation::{Body, Source},
};

use super::{
    adopted, inheriting, post_deploy,
    world::{World, withdrawn},
};

pub(super) async fn step(world: &World<'_>, deployed: &Deployed) -> Result<Step<Machine>, Failure> {
    if deployed.stands() && world.spec().stands() {
        return adopted::ready(world, deployed).await;
    }
    let host = world.host(deployed.host).await?;
    let inherited = inheriting::inheritance(world, Some(&host)).await?.digest(world.spec());
    let change = plan(world.spec(), inherited.as_deref(), Some(deployed));
    let mut status = world.status();
    status.pending = change.pending.clone();
    status.forwards = host.status.forwards.clone();
    let called = called_late(world, deployed, &mut status).await?;
    let step = match change.disruption {
        Disruption::None => post_deploy::enter_again(world, deployed, &host, status.clone()).await?,
        _ => None,
    };
    let step = step.unwrap_or_else(|| decide(world, status, change));
    Ok(if called { withdrawn(step, deployed.host) } else { step })
}

fn decide(world: &World<'_>, mut status: Status, change: Change) -> Step<Machine> {
    if change.disruption == Disruption::None {
        return Step::done(status, None);
    }
    if change.disruption > world.spec().allow_disruption || change.disruption == Disruption::Move {
        status.pending.extend(change.because);
        return Step::done(status, None);
    }
    let parts: Vec<&str> = change.because.iter().map(|aspect| aspect.as_str()).collect();
    let because =
        if parts.is_empty() { "redeploy.generation was raised".to_owned() } else { parts.join(", ") };
    let text = format!("{} ({because}): deploying again in place", change.disruption);
    Step::advance(status, State::Pending).with(Effect::Note { text })
}

/// Where the machine counted as ready before its system was up, the system may call home now.
async fn called_late(world: &World<'_>, deployed: &Deployed, status: &mut Status) -> Result<bool, Failure> {
    if status.address.is_some() {
        return Ok(false);
    }
    match world.observed(deployed.host, Source::PhoneHome).await?.map(|seen| seen.body) {
        Some(Body::PhoneHome { epoch, ssh_host_keys, address }) if epoch == deployed.epoch => {
            status.address = Some(address);
            status.ssh_host_keys = ssh_host_keys;
            Ok(true)
        }
        _ => Ok(false),
    }
}
