//! Pending: find what the spec names, make sure it fits, claim the host. Nothing is touched in this state.
//!
//! A machine that comes here with something on its disk is held to the same fence as in [`super::ready`]: where the spec
//! wants what is there already, nothing is imaged; the host is only started again if a deployment had switched it off.

use underlay_core::{
    Effect, ErrorKind, Failure, Object, ObjectId, Step,
    agent::{Assignment, Inventory, Task},
    host::{Driver, Host},
    identity,
    machine::{Deployed, Disruption, Machine, Run, State, Takeover, plan},
    pool::Trust,
};

use super::{
    adopted,
    claiming::{self, Found, Turn},
    inheriting,
    needs::{self, Need},
    steps, trust,
    world::{LATER, World},
};

pub(super) async fn step(world: &World<'_>) -> Result<Step<Machine>, Failure> {
    if world.spec().stands() {
        return adopted::begin(world).await;
    }
    let previous = world.snapshot.object.status.deployed.clone();
    let inherited = match &previous {
        Some(deployed) => {
            let host = world.find_host(deployed.host).await?;
            inheriting::inheritance(world, host.as_ref()).await?.digest(world.spec())
        }
        None => None,
    };
    let change = plan(world.spec(), inherited.as_deref(), previous.as_ref());
    let wanted = previous.as_ref().filter(|_| change.disruption == Disruption::None);
    if let Some(deployed) = wanted.filter(|deployed| !was_interrupted(world, deployed)) {
        let step = Step::advance(world.status(), State::Ready { deployed: deployed.clone() });
        return Ok(step.with(Effect::Settle));
    }
    let host = match claiming::find(world).await? {
        Found::Host(host) => host,
        Found::Step(step) => return Ok(*step),
        Found::Refused(failure) => return Ok(refuse(world, failure)),
    };
    let holder = world.view.holder(host.meta.id).await.map_err(|error| world.unreadable(&error))?;
    if holder == Some(host.meta.id) {
        let reason = format!("host {}, which is to be cleaned first", host.meta.key.name);
        return Ok(Step::wait(world.status(), reason, LATER));
    }
    if let Some(failure) = not_ours(world, &host).await? {
        return Ok(refuse(world, failure));
    }
    if let Some(deployed) = wanted {
        return Ok(start_again(world, &host, deployed));
    }
    if change.disruption > world.spec().allow_disruption {
        return Ok(refuse(world, fenced(world, change.disruption)));
    }
    if host.spec.protected {
        return Ok(refuse(world, protected(world, &host)));
    }
    if host.spec.driver == Driver::None {
        return Ok(refuse(world, undriven(world, &host)));
    }
    if let Some(failure) = trust::unbootable(world, &host) {
        return Ok(refuse(world, failure));
    }
    let image = match needs::image(world, &world.spec().image).await? {
        Need::Met(image) => image,
        Need::NotYet(reason, amount) => return Ok(Step::wait(world.status(), reason, LATER).at(amount)),
        Need::Unmet(failure) => return Ok(refuse(world, failure)),
    };
    let inheritance = inheriting::inheritance(world, Some(&host)).await?;
    if let Some(failure) = inheriting::unfit(world, &inheritance) {
        return Ok(refuse(world, failure));
    }
    if let Some(failure) = steps::foresee(world, &host, &inheritance.resolve(world.spec()).0).await? {
        return Ok(refuse(world, failure));
    }
    let inherited = inheritance.digest(world.spec());
    // Known before anything is wiped, where an agent has been there before.
    if let Some(inventory) = &host.status.inventory
        && let Some(failure) = unfit(world, host.meta.key.name.as_str(), inventory, &image)
    {
        return Ok(refuse(world, failure));
    }
    match previous {
        None => Ok(deploy(world, &host, None, inherited)),
        Some(_) => Ok(match claiming::turn(world, &host).await? {
            Turn::Free => deploy(world, &host, previous, inherited),
            Turn::Now(effect) => deploy(world, &host, previous, inherited).with(effect),
            Turn::Later(step) => *step,
        }),
    }
}

/// Another machine has the host, or this one has another host.
pub(super) async fn not_ours(world: &World<'_>, host: &Object<Host>) -> Result<Option<Failure>, Failure> {
    let holder = world.view.holder(host.meta.id).await.map_err(|error| world.unreadable(&error))?;
    match holder.filter(|holder| *holder != world.snapshot.object.meta.id) {
        Some(other) => Ok(Some(taken(world, host, other))),
        None => elsewhere(world, host).await,
    }
}

/// Why the disks that an agent found there do not do.
fn unfit(world: &World<'_>, host: &str, inventory: &Inventory, image: &needs::Ready) -> Option<Failure> {
    let root = match needs::disk(world, host, inventory, image) {
        Need::Met(root) => root,
        Need::NotYet(..) => return None,
        Need::Unmet(failure) => return Some(failure),
    };
    match needs::volumes(world, host, inventory, root) {
        Need::Unmet(failure) => Some(failure),
        Need::Met(_) | Need::NotYet(..) => None,
    }
}

/// Has a deployment begun since this was last seen running?
fn was_interrupted(world: &World<'_>, deployed: &Deployed) -> bool {
    world.snapshot.object.status.epoch != deployed.epoch
}

/// The machine holds another host, and nobody has said that it may leave it.
async fn elsewhere(world: &World<'_>, host: &Object<Host>) -> Result<Option<Failure>, Failure> {
    let status = &world.snapshot.object.status;
    let Some(present) = status.host.filter(|present| *present != host.meta.id) else { return Ok(None) };
    let holder = world.view.holder(present).await.map_err(|error| world.unreadable(&error))?;
    if holder != Some(world.snapshot.object.meta.id) {
        return Ok(None);
    }
    let present = status.host_name.clone().unwrap_or_else(|| present.to_string());
    let failure = Failure::new(
        ErrorKind::Invalid,
        format!("machine {}: claiming host {}", world.name(), host.meta.key.name),
        format!("it has host {present}, and a machine does not move to another host in place"),
        "nothing was touched",
        format!("write host = \"{present}\", or install it anew with terraform apply -replace"),
    );
    Ok(Some(failure.at("host")))
}

fn taken(world: &World<'_>, host: &Object<Host>, other: ObjectId) -> Failure {
    let who = host.status.machine.clone().unwrap_or_else(|| other.to_string());
    Failure::new(
        ErrorKind::Permanent,
        format!("machine {}: claiming host {}", world.name(), host.meta.key.name),
        format!("machine {who} has it"),
        "nothing was touched",
        "name another host, or destroy that machine first: underlay get hosts",
    )
    .at("host")
}

fn fenced(world: &World<'_>, needed: Disruption) -> Failure {
    let allowed = world.spec().allow_disruption;
    Failure::new(
        ErrorKind::Invalid,
        format!("machine {}: deploying again in place", world.name()),
        format!("it needs \"{needed}\", \"{allowed}\" is allowed"),
        "nothing was touched",
        format!("write allow_disruption = \"{needed}\" and apply again"),
    )
    .at("allow_disruption")
}

fn protected(world: &World<'_>, host: &Object<Host>) -> Failure {
    let name = &host.meta.key.name;
    Failure::new(
        ErrorKind::Invalid,
        format!("machine {}: claiming host {name}", world.name()),
        "the host is protected",
        "nothing was touched",
        format!("write protected = false in underlay_host.{name} and apply that first"),
    )
    .at("host")
}

/// It runs a system that we did not install, and nobody gave us a way to restart it.
fn undriven(world: &World<'_>, host: &Object<Host>) -> Failure {
    let name = &host.meta.key.name;
    Failure::new(
        ErrorKind::Invalid,
        format!("machine {}: claiming host {name}", world.name()),
        "the host was adopted and nobody can switch it",
        "nothing was touched",
        format!("give it a driver first: redfish, ipmi or manual = {{...}} in underlay_host.{name} in place of none"),
    )
    .at("host")
}

fn deploy(
    world: &World<'_>,
    host: &Object<Host>,
    previous: Option<Deployed>,
    inherited: Option<String>,
) -> Step<Machine> {
    let epoch = world.next_epoch();
    let target = Deployed::of(world.spec(), host.meta.id, host.meta.key.name.as_str(), epoch);
    let target = target.inheriting(inherited);
    let by = identity::describe(&host.spec.identity);
    let text = format!("claimed host {} ({by})", host.meta.key.name);
    begin(world, host, epoch, target, previous, text)
}

/// What is wanted is on the disk, but the host was switched off, or has booted the agent, to replace it.
fn start_again(world: &World<'_>, host: &Object<Host>, deployed: &Deployed) -> Step<Machine> {
    let text = "what is wanted is on the disk already; starting it again";
    begin(world, host, world.next_epoch(), deployed.clone(), Some(deployed.clone()), text.into())
}

/// From here on an agent of an earlier epoch is turned away.
#[track_caller]
fn begin(
    world: &World<'_>,
    host: &Object<Host>,
    epoch: i64,
    target: Deployed,
    previous: Option<Deployed>,
    text: String,
) -> Step<Machine> {
    let id = host.meta.id;
    // The agent that lives on a system which is about to be written over is put out: the host is claimed as by another.
    let leaves = previous.as_ref().is_some_and(Deployed::stands).then_some(Effect::Release { host: id });
    let previous = previous.map(Box::new);
    let run = Run {
        generation: world.generation(),
        epoch,
        host: id,
        target,
        previous,
        phone_home: None,
        takeover: Takeover::Open,
        attempt: 0,
        trust: Trust::default(),
    };
    let mut status = world.status();
    status.host = Some(id);
    status.host_name = Some(host.meta.key.name.to_string());
    status.epoch = epoch;
    let on_behalf_of = world.snapshot.object.meta.id;
    let mut step = Step::advance(status, State::PoweringOff { run }).with(Effect::Unwant);
    step.effects.extend(leaves);
    step.with(Effect::Claim { host: id })
        .with(Effect::Assign(Assignment { host: id, on_behalf_of, epoch, task: Task::Stay }))
        .with(Effect::Wake { id })
        .with(Effect::Note { text })
}

#[track_caller]
pub(super) fn refuse(world: &World<'_>, failure: Failure) -> Step<Machine> {
    let deployed = world.snapshot.object.status.deployed.clone();
    let next = State::Failed { run: None, deployed, generation: world.generation() };
    Step::failed(world.status(), next, failure).with(Effect::Unwant)
}
