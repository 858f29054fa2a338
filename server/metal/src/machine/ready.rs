//! Ready: rest. A new spec is held against what is deployed: what `redeploy` names starts a new deployment in place, the
//! rest is shown as pending.
//!
//! A change that would disrupt more than the spec allows starts nothing: the API refuses it before it gets here, and
//! this state holds the same fence.

use underlay_core::{
    Effect, Failure, Step,
    machine::{Deployed, Disruption, Machine, State, plan},
};

use super::world::World;

pub(super) async fn step(world: &World<'_>, deployed: &Deployed) -> Result<Step<Machine>, Failure> {
    let change = plan(world.spec(), Some(deployed));
    let mut status = world.status();
    status.pending = change.pending.clone();
    if let Ok(host) = world.host(deployed.host).await {
        status.forwards = host.status.forwards.clone();
    }
    if change.disruption == Disruption::None {
        return Ok(Step::done(status, None));
    }
    if change.disruption > world.spec().allow_disruption || change.disruption == Disruption::Move {
        status.pending.extend(change.because);
        return Ok(Step::done(status, None));
    }
    let parts: Vec<&str> = change.because.iter().map(|aspect| aspect.as_str()).collect();
    let text = format!("{} ({}): deploying again in place", change.disruption, parts.join(", "));
    Ok(Step::advance(status, State::Pending).with(Effect::Note { text }))
}
