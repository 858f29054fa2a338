//! What stops a machine from outside: a brake that stands over it, and the wish to cancel its operation.
//!
//! A brake holds back the beginning of every step that changes power, boot or a disk; what the agent has in hand it brings
//! to its end. A cancelled operation fails where it stands, and its host is served nothing any more.

use underlay_core::{
    Brakes, Cancellation, Effect, ErrorKind, Failure, Kind, ObjectId, Step,
    brake::{Hold, Scope},
    cancellation::Until,
    machine::{Machine, State},
};

use super::world::{Disk, World, withdrawn};
use crate::bmc::gate;

/// Does this state wait while a brake stands? The others only look, and decide nothing that disrupts.
pub(super) fn waits(state: &State) -> bool {
    match state {
        State::Pending
        | State::PoweringOff { .. }
        | State::PoweringOn { .. }
        | State::Booting { .. }
        | State::Adopting { .. }
        | State::Replacing { .. }
        | State::Releasing { .. } => true,
        // What is under way is followed; the next try waits.
        State::PreDeploy { .. } | State::PostDeploy { .. } => false,
        State::Imaging { .. } | State::Starting { .. } | State::Ready { .. } | State::Failed { .. } => false,
    }
}

/// How brakes stand over the machine.
pub(super) async fn hold(world: &World<'_>) -> Result<Hold, Failure> {
    let scope = scope(world).await?;
    Brakes::hold(world.view, &scope).await.map_err(|error| world.unreadable(&error))
}

/// Where the machine is: in the pool of the host it has, or else of the one it wants.
async fn scope(world: &World<'_>) -> Result<Scope, Failure> {
    let object = &world.snapshot.object;
    let host = match present(world) {
        Some(id) => world.find_host(id).await?,
        None => match &object.spec.host {
            Some(name) => {
                let named = world.view.by_name(&object.meta.key, Kind::Host, name).await;
                let named = named.map_err(|error| world.unreadable(&error))?;
                named.map(|raw| raw.decode()).transpose().map_err(|error| world.unreadable(&error))?
            }
            None => None,
        },
    };
    let required = object.spec.require.as_ref().and_then(|require| gate::pool(&require.pool));
    Ok(match host {
        Some(host) => gate::scope(&host),
        None => Scope { site: object.meta.key.site.clone(), pool: required },
    })
}

/// The host it has.
fn present(world: &World<'_>) -> Option<ObjectId> {
    let object = &world.snapshot.object;
    let leaving = if let State::Releasing { host } = &object.state { *host } else { None };
    object.state.run().map(|run| run.host).or(leaving).or(object.status.host)
}

/// Stops the operation, where that is wanted, it is still the one that was meant, and it has not come too far.
pub(super) async fn cancelled(world: &World<'_>) -> Result<Option<Step<Machine>>, Failure> {
    let id = world.snapshot.object.meta.id;
    let wish = world.view.cancellation(id).await.map_err(|error| world.unreadable(&error))?;
    let Some(wish) = wish.filter(|wish| wish.generation == world.generation()) else { return Ok(None) };
    let state = &world.snapshot.object.state;
    Ok(match state {
        State::PoweringOff { run }
        | State::PoweringOn { run }
        | State::Booting { run }
        | State::PreDeploy { run, .. }
        | State::PostDeploy { run, .. } => {
            Some(world.fail(run, failure(world, &wish, Disk::Untouched), Disk::Untouched))
        }
        // The agent has its work, and may have begun to write.
        State::Imaging { run } | State::Starting { run } if wish.until == Until::TheEnd => {
            Some(world.fail(run, failure(world, &wish, Disk::Touched), Disk::Touched))
        }
        State::Imaging { .. } | State::Starting { .. } => None,
        State::Replacing { run, .. } => {
            Some(world.fail(run, failure(world, &wish, Disk::Touched), Disk::Touched))
        }
        State::Pending | State::Adopting { .. } | State::Releasing { .. } => {
            let deployed = world.snapshot.object.status.deployed.clone();
            let next = State::Failed { run: None, deployed, generation: world.generation() };
            let step = Step::failed(world.status(), next, failure(world, &wish, Disk::Untouched))
                .with(Effect::Unwant);
            Some(match present(world) {
                Some(host) => withdrawn(step, host),
                None => step,
            })
        }
        State::Ready { .. } | State::Failed { .. } => None,
    })
}

fn failure(world: &World<'_>, wish: &Cancellation, disk: Disk) -> Failure {
    let phase = underlay_core::State::phase(&world.snapshot.object.state);
    let done = match disk {
        Disk::Untouched => "nothing was written to its disk; the host is left as it is and served nothing",
        Disk::Touched => {
            "what is on its disk cannot be relied on; the host is left as it is and served nothing, and its agent may go \
             on writing until the host is switched off"
        }
    };
    let next = "to take it up again, run terraform apply; to let go of the host, destroy the machine";
    Failure::new(ErrorKind::Permanent, format!("machine {}: {phase}", world.name()), wish.words(), done, next)
}
