//! An agent that was up in a host's RAM before the deployment began: a machine that nobody had enrolled when it booted. It
//! is given the token over the line on which it waits, and the host is not booted again.
//!
//! It proves as much as a boot over the network does: that something on the segment has the host's identity. It is
//! checked like any other agent before it gets its work. One that does not come is no evidence of anything: after a short
//! patience the host is switched off and on as every other.

use underlay_core::{
    Effect, Failure, Mac, Object, Step,
    host::Host,
    identity,
    machine::{Machine, Run, State, Takeover},
    observation::{Body, Source},
};

use super::{
    booting::UNTOUCHED,
    trust,
    world::{Disk, World, starts_again, withdrawn},
};

/// The NIC over which the agent booted that waits in the host's RAM, where one does and is worth a try.
pub(super) async fn agent(world: &World<'_>, run: &Run, host: &Object<Host>) -> Result<Option<Mac>, Failure> {
    // What is on the disk already is started by a boot.
    // A token that is to come by the BMC is given to nobody on the segment.
    let passed = run.takeover != Takeover::Open || !host.spec.boot.trusts_the_segment();
    if passed || starts_again(run) {
        return Ok(None);
    }
    let seen = world.observed(run.host, Source::Waiting).await?;
    Ok(match seen.filter(|seen| seen.is_fresh(world.snapshot.now)).map(|seen| seen.body) {
        Some(Body::Waiting { boot_mac, inventory, .. }) => {
            identity::check(&host.spec.identity, &inventory).is_ok().then_some(boot_mac)
        }
        _ => None,
    })
}

/// It has not come yet.
pub(super) async fn wait_on(
    world: &World<'_>,
    run: &Run,
    host: &Object<Host>,
) -> Result<Step<Machine>, Failure> {
    let name = &host.meta.key.name;
    if let Some(failure) = world.intruder(run, name, UNTOUCHED).await? {
        return Ok(world.give_up(run, failure, Disk::Untouched));
    }
    if let Some(failure) = trust::unproven(world, run, name).await? {
        return Ok(world.give_up(run, failure, Disk::Untouched));
    }
    let patience = world.machines.patience.takeover;
    if world.snapshot.is_stalled(patience) {
        let next = Run { takeover: Takeover::Over, ..run.clone() };
        let seconds = patience.as_secs();
        let text =
            format!("the agent in the RAM of host {name} did not come within {seconds} s; booting the host");
        let step = Step::advance(world.status(), State::PoweringOff { run: next });
        return Ok(withdrawn(step, run.host).with(Effect::Note { text }));
    }
    let reason = format!("the agent that waits in the RAM of host {name} to take its work");
    Ok(Step::wait(world.status(), reason, world.later(patience)))
}
