//! Before a deployment: the agent is up in the host's RAM, and the steps that are named for that are done, one after the
//! other. Then the agent is given its work, as [`super::booting`] does it where there are none.

use underlay_core::{
    Effect, Failure, Object, Step,
    host::Host,
    machine::{Machine, Run, Status},
    observation::{Body, Source},
    step::{Course, OnFailure},
};

use super::{
    booting::{self, UNTOUCHED},
    claiming, steps,
    steps::Turn,
    world::{Disk, World},
};

pub(super) async fn step(world: &World<'_>, run: &Run, course: &Course) -> Result<Step<Machine>, Failure> {
    // A try that is under way is seen to its end.
    if world.is_outdated(run) && course.begun.is_none() {
        return Ok(world.start_over(run));
    }
    let host = world.host(run.host).await?;
    if let Some(failure) = world.intruder(run, &host.meta.key.name, UNTOUCHED).await? {
        return Ok(world.give_up(run, failure, Disk::Untouched));
    }
    match steps::look(world, run, course, &host).await? {
        Turn::Step(step) => Ok(*step),
        Turn::Failed(status, failure, OnFailure::Quarantine) => {
            let step = world.give_up(run, failure.clone().blaming_host(), Disk::Untouched);
            set_aside(world, run, &host, failure, noting(step, *status)).await
        }
        Turn::Failed(status, failure, _) => Ok(noting(world.give_up(run, failure, Disk::Untouched), *status)),
        Turn::Over => match &world.hold.brake {
            Some(brake) => Ok(Step::held(world.status(), brake.clone())),
            None => go_on(world, run, &host).await,
        },
    }
}

/// On to the image.
async fn go_on(world: &World<'_>, run: &Run, host: &Object<Host>) -> Result<Step<Machine>, Failure> {
    match world.observed(run.host, Source::Inventory).await?.map(|seen| seen.body) {
        Some(Body::Inventory { epoch, inventory }) if epoch == run.epoch => {
            booting::hand_out(world, run, host, &inventory).await
        }
        _ => Ok(world.start_over(run)),
    }
}

/// The same decision, with what became of the steps.
pub(super) fn noting(mut step: Step<Machine>, status: Status) -> Step<Machine> {
    step.status.steps = status.steps;
    step
}

/// The same decision; and the host is set aside, where the machine does not go through its pool for another.
pub(super) async fn set_aside(
    world: &World<'_>,
    run: &Run,
    host: &Object<Host>,
    failure: Failure,
    step: Step<Machine>,
) -> Result<Step<Machine>, Failure> {
    let replaced = matches!(
        &step.outcome,
        underlay_core::Outcome::Advance { next: underlay_core::machine::State::Replacing { .. } }
    );
    if replaced {
        return Ok(step);
    }
    // A host that is of no pool is accused before nobody else.
    let pool = claiming::pool_of(world, host).await?.map_or(run.host, |pool| pool.meta.id);
    Ok(step.with(Effect::Accuse { host: run.host, pool, failure: Box::new(failure), shared: Vec::new() }))
}
