//! After a deployment: the installed system is up, and the steps that are named for that are done, one after the other. Then
//! the machine is ready.
//!
//! What is on the disk is there, whatever becomes of the steps: one that fails leaves a failed machine whose system runs,
//! and another try begins with the steps, not with the image.

use underlay_core::{
    Effect, Failure, Object, Step,
    host::Host,
    machine::{Deployed, Machine, Run, State, Status, Takeover},
    step::{Course, OnFailure, When, records},
};

use super::{
    claiming, pre_deploy, steps,
    steps::Turn,
    world::{Disk, World},
};

/// On to the steps after a deployment that has just gone well; `None` where there are none.
pub(super) async fn enter(
    world: &World<'_>,
    run: &Run,
    host: &Object<Host>,
    mut status: Status,
) -> Result<Option<Step<Machine>>, Failure> {
    let Some(course) = steps::course(world, host, When::PostDeploy).await? else { return Ok(None) };
    let target = Deployed { ready_at: Some(world.snapshot.now), ..run.target.clone() };
    let written = target.clone().owing_steps();
    status.deployed = Some(written.clone());
    records(&mut status.steps, When::PostDeploy);
    let target = target.with_steps_of(world.spec());
    let run = Run { target, previous: Some(Box::new(written)), ..run.clone() };
    Ok(Some(Step::advance(status, State::PostDeploy { run, course })))
}

/// The machine names other steps than were done on it: they are done, and nothing else.
pub(super) async fn enter_again(
    world: &World<'_>,
    deployed: &Deployed,
    host: &Object<Host>,
    mut status: Status,
) -> Result<Option<Step<Machine>>, Failure> {
    if !deployed.lacks_steps_of(world.spec()) {
        return Ok(None);
    }
    let Some(course) = steps::course(world, host, When::PostDeploy).await? else { return Ok(None) };
    let run = Run {
        generation: world.generation(),
        epoch: deployed.epoch,
        host: deployed.host,
        target: deployed.clone().with_steps_of(world.spec()),
        previous: Some(Box::new(deployed.clone().owing_steps())),
        phone_home: None,
        takeover: Takeover::Over,
        attempt: 0,
        trust: Default::default(),
    };
    records(&mut status.steps, When::PostDeploy);
    let text = "its steps after the deployment are not done as it names them: doing them on what runs; nothing is written".into();
    Ok(Some(Step::advance(status, State::PostDeploy { run, course }).with(Effect::Note { text })))
}

pub(super) async fn step(world: &World<'_>, run: &Run, course: &Course) -> Result<Step<Machine>, Failure> {
    let host = world.host(run.host).await?;
    match steps::look(world, run, course, &host).await? {
        Turn::Step(step) => Ok(*step),
        Turn::Failed(status, failure, OnFailure::Quarantine) => {
            let step = pre_deploy::noting(world.fail(run, failure.clone(), Disk::Untouched), *status);
            pre_deploy::set_aside(world, run, &host, failure, step).await
        }
        Turn::Failed(status, failure, _) => {
            Ok(pre_deploy::noting(world.fail(run, failure, Disk::Untouched), *status))
        }
        Turn::Over => ready(world, run, &host).await,
    }
}

async fn ready(world: &World<'_>, run: &Run, host: &Object<Host>) -> Result<Step<Machine>, Failure> {
    let deployed = run.target.clone();
    let mut status = world.status();
    status.deployed = Some(deployed.clone());
    let step = Step::advance(status, State::Ready { deployed }).with(Effect::Wake { id: run.host });
    let step = step.with(Effect::Settle);
    Ok(match claiming::pool_of(world, host).await? {
        Some(pool) => {
            let shared = claiming::shared(&run.target, world.spec(), &pool);
            step.with(Effect::Absolve { pool: pool.meta.id, shared })
        }
        None => step,
    })
}
