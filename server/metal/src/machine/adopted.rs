//! A machine with `image = "adopted"`: it takes the system of its host as it stands, and has the agent that lives there write its
//! attributes, now and whenever they change.
//!
//! Invariant: nothing here switches the host, sets what it boots, or puts its agent out; the host is claimed with [`Effect::Join`]
//! and no driver is asked. What the agent says of its files is the only evidence; where it is not heard, it is waited for.

use jiff::Timestamp;
use secrecy::ExposeSecret;
use underlay_core::{
    Effect, ErrorKind, Failure, Object, Step,
    agent::{
        Assignment, Task,
        attributes::{self, Attributes, Content, File},
    },
    host::Host,
    machine::{Aspect, Deployed, Machine, State},
    observation::{Body, Source},
    profile::Inheritance,
    resident::{Line, Written, is_heard},
};

use super::{
    claiming::{self, Found},
    inheriting, pending,
    world::{LATER, SOON, World},
};

/// Pending: find the host, see that an agent lives there, and give it the attributes.
pub(super) async fn begin(world: &World<'_>) -> Result<Step<Machine>, Failure> {
    if let Some(deployed) = world.snapshot.object.status.deployed.as_ref().filter(|it| !it.stands()) {
        return Ok(pending::refuse(world, written_over(world, deployed)));
    }
    let host = match claiming::find(world).await? {
        Found::Host(host) => host,
        Found::Step(step) => return Ok(*step),
        Found::Refused(failure) => return Ok(pending::refuse(world, failure)),
    };
    if let Some(failure) = pending::not_ours(world, &host).await? {
        return Ok(pending::refuse(world, failure));
    }
    if host.status.resident.is_none() {
        let name = &host.meta.key.name;
        let reason = format!("an agent to live on the system of host {name}: underlay adopt {name} --again");
        return Ok(Step::wait(world.status(), reason, LATER));
    }
    let inheritance = inheriting::inheritance(world, Some(&host)).await?;
    if let Some(failure) = inheriting::unfit(world, &inheritance) {
        return Ok(pending::refuse(world, failure));
    }
    let epoch = world.next_epoch();
    let deployed = target(world, &host, &inheritance, epoch);
    let text = format!("took the system of host {} as it stands", host.meta.key.name);
    let step = give(world, &host, deployed, &inheritance).await?;
    Ok(step.with(Effect::Unwant).with(Effect::Wake { id: host.meta.id }).with(Effect::Note { text }))
}

/// Adopting: wait until the agent has written what the machine is given by now.
pub(super) async fn step(world: &World<'_>, deployed: &Deployed) -> Result<Step<Machine>, Failure> {
    if !world.spec().stands() || !world.spec().stays_on(&deployed.host_name) {
        return Ok(Step::advance(world.status(), State::Pending));
    }
    let host = world.host(deployed.host).await?;
    let inheritance = inheriting::inheritance(world, Some(&host)).await?;
    if let Some(failure) = inheriting::unfit(world, &inheritance) {
        return Ok(pending::refuse(world, failure));
    }
    let wanted = target(world, &host, &inheritance, deployed.epoch);
    if wanted.digests != deployed.digests {
        return give(world, &host, wanted, &inheritance).await;
    }
    let heard = heard(world, &host).await?;
    let told = heard.as_ref().filter(|heard| heard.written.fingerprint == fingerprint(world, deployed));
    match told {
        Some(Heard { written: Written { failure: None, .. }, .. }) => Ok(settled(world, &host, deployed)),
        // What it said before it was asked again is about the system as it was then.
        Some(Heard { written: Written { failure: Some(why), .. }, at, .. }) if *at >= begun(deployed) => {
            Ok(pending::refuse(world, unwritten(world, &host, why)))
        }
        _ => {
            let name = &host.meta.key.name;
            let reason = match heard {
                Some(Heard { line: Line::Open, .. }) => {
                    format!("the agent that lives on host {name} to write the attributes")
                }
                _ => format!("the agent that lives on host {name} to be heard again"),
            };
            Ok(Step::wait(world.status(), reason, LATER))
        }
    }
}

/// Ready: rest, until what it is given changes.
pub(super) async fn ready(world: &World<'_>, deployed: &Deployed) -> Result<Step<Machine>, Failure> {
    let host = world.host(deployed.host).await?;
    let mut status = world.status();
    status.pending.clear();
    if !world.spec().stays_on(&deployed.host_name) {
        return Ok(Step::done(status, None));
    }
    let inheritance = inheriting::inheritance(world, Some(&host)).await?;
    let wanted = target(world, &host, &inheritance, deployed.epoch);
    if wanted.digests == deployed.digests {
        return Ok(Step::done(status, None));
    }
    if inheriting::unfit(world, &inheritance).is_some() {
        // Somebody changed a profile, and nobody has applied this machine: it keeps what it has.
        status.pending.insert(Aspect::Values);
        return Ok(Step::done(status, None));
    }
    let text = "its attributes changed: its agent writes them anew".to_owned();
    Ok(give(world, &host, wanted, &inheritance).await?.with(Effect::Note { text }))
}

/// Has nothing been begun that would disturb the system which was taken? Then its host is let go as it is.
pub(super) fn is_untouched(world: &World<'_>) -> bool {
    let status = &world.snapshot.object.status;
    status.deployed.as_ref().is_some_and(|deployed| deployed.stands() && deployed.epoch == status.epoch)
}

/// Releasing: what was written is taken away, by an agent that is there to do it; `None` when there is nothing to wait for.
pub(super) async fn leave(world: &World<'_>, host: &Object<Host>) -> Result<Option<Step<Machine>>, Failure> {
    let heard = heard(world, host).await?;
    let is_written = heard.is_some_and(|heard| {
        heard.line == Line::Open && !heard.written.fingerprint.is_empty() && heard.written.failure.is_none()
    });
    if !is_written || world.snapshot.is_stalled(world.machines.patience.takeover) {
        // An agent that is not heard now is told when it is.
        return Ok(None);
    }
    let id = host.meta.id;
    let reason = format!("the agent that lives on host {} to take the attributes away", host.meta.key.name);
    Ok(Some(Step::wait(world.status(), reason, SOON).with(Effect::Unassign { host: id })))
}

/// What is on the host then.
fn target(world: &World<'_>, host: &Object<Host>, inheritance: &Inheritance, epoch: i64) -> Deployed {
    let target = Deployed::of(world.spec(), host.meta.id, host.meta.key.name.as_str(), epoch);
    target.inheriting(inheritance.digest(world.spec()))
}

fn fingerprint(world: &World<'_>, deployed: &Deployed) -> String {
    attributes::fingerprint(world.snapshot.object.meta.id, deployed)
}

/// Claims the host as it stands, and gives its agent the files to write.
async fn give(
    world: &World<'_>,
    host: &Object<Host>,
    deployed: Deployed,
    inheritance: &Inheritance,
) -> Result<Step<Machine>, Failure> {
    let attributes = inheriting::attributes(world, inheritance).await?;
    let file = |file: crate::seed::File| File {
        path: file.path,
        content: Content(file.content.expose_secret().to_owned()),
        mode: file.mode,
        owner: file.owner,
    };
    let files = attributes.all_files().into_iter().map(file).collect();
    let task = Task::Attributes(Attributes { fingerprint: fingerprint(world, &deployed), files });
    let (id, epoch) = (host.meta.id, deployed.epoch);
    let mut status = world.status();
    status.host = Some(id);
    status.host_name = Some(host.meta.key.name.to_string());
    status.inventory.clone_from(&host.status.inventory);
    status.epoch = epoch;
    // It was there before the machine: what would write over it needs to be allowed from now on.
    status.deployed = Some(deployed.clone());
    let on_behalf_of = world.snapshot.object.meta.id;
    let step = Step::advance(status, State::Adopting { deployed });
    Ok(step.with(Effect::Join { host: id }).with(Effect::Assign(Assignment {
        host: id,
        on_behalf_of,
        epoch,
        task,
    })))
}

#[track_caller]
fn settled(world: &World<'_>, host: &Object<Host>, deployed: &Deployed) -> Step<Machine> {
    let deployed = Deployed { ready_at: Some(world.snapshot.now), ..deployed.clone() };
    let mut status = world.status();
    status.pending.clear();
    status.deployed = Some(deployed.clone());
    let text = format!("the agent that lives on host {} has written its attributes", host.meta.key.name);
    Step::advance(status, State::Ready { deployed }).with(Effect::Settle).with(Effect::Note { text })
}

/// What the agent that lives on the host said last, and whether it is on its line.
struct Heard {
    line: Line,
    written: Written,
    at: Timestamp,
}

/// When its agent was asked to write them; an epoch counts microseconds.
fn begun(deployed: &Deployed) -> Timestamp {
    Timestamp::from_microsecond(deployed.epoch).unwrap_or(Timestamp::MAX)
}

async fn heard(world: &World<'_>, host: &Object<Host>) -> Result<Option<Heard>, Failure> {
    let Some(seen) = world.observed(host.meta.id, Source::Resident).await? else { return Ok(None) };
    let Body::Resident { line, written, .. } = seen.body else { return Ok(None) };
    let line = if is_heard(line, seen.at, world.snapshot.now) { Line::Open } else { Line::Closed };
    Ok(Some(Heard { line, written, at: seen.at }))
}

fn unwritten(world: &World<'_>, host: &Object<Host>, why: &str) -> Failure {
    Failure::new(
        ErrorKind::Invalid,
        format!("machine {}: writing its attributes on host {}", world.name(), host.meta.key.name),
        format!("the agent that lives there says: {why}"),
        "what was written before is there still",
        "change the profile, or the system, and apply again",
    )
    .at("profiles")
}

fn written_over(world: &World<'_>, deployed: &Deployed) -> Failure {
    Failure::new(
        ErrorKind::Invalid,
        format!("machine {}: taking a system as it stands", world.name()),
        format!("{} was installed on host {}", deployed.image, deployed.host_name),
        "nothing was touched",
        "write the image that is installed, or destroy the machine and adopt the system anew",
    )
    .at("image")
}
