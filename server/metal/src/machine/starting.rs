//! Starting: the host starts from its disk; ready when the installed system has called its one-time URL, or at once
//! where `wait_for` is `written`.

use underlay_core::{
    Effect, ErrorKind, Failure, Object, Step,
    bmc::Power,
    host::{BootMethod, Host},
    machine::{Machine, Run, State, WaitFor},
    observation::{Body, Source},
};

use super::{
    claiming, post_deploy, ways,
    world::{Disk, SOON, World, withdrawn},
};

pub(super) async fn step(world: &World<'_>, run: &Run) -> Result<Step<Machine>, Failure> {
    let host = world.host(run.host).await?;
    let name = &host.meta.key.name;
    // Whoever took the seed may call home in the host's place: neither what was written nor who calls is to be trusted.
    let done = "the host was left on as it is; the image is on its disk, and somebody else may have its seed";
    if let Some(failure) = world.intruder(run, name, done).await? {
        return Ok(world.give_up(run, failure, Disk::Touched));
    }
    let mut status = world.status();
    status.forwards = host.status.forwards.clone();
    let called = match world.observed(run.host, Source::PhoneHome).await?.map(|seen| seen.body) {
        Some(Body::PhoneHome { epoch, ssh_host_keys, address }) if epoch == run.epoch => {
            status.address = Some(address);
            status.ssh_host_keys = ssh_host_keys;
            true
        }
        _ => false,
    };
    if !called && ways::method(&host, run) == BootMethod::VirtualMedia {
        if let Some(brake) = &world.hold.brake {
            return Ok(Step::held(status, brake.clone()));
        }
        // Whoever booted it from there has switched it off.
        if !is_on(world, &host).await? {
            return Ok(Step::wait(status, format!("host {name} to switch on"), SOON));
        }
    }
    if called || world.spec().wait_for == WaitFor::Written {
        if let Some(step) = post_deploy::enter(world, run, &host, status.clone()).await? {
            let text = if called {
                "the installed system called home; steps follow"
            } else {
                "the image is written; steps follow"
            };
            let step = step.with(Effect::Note { text: text.into() });
            return Ok(if called { withdrawn(step, run.host) } else { step });
        }
        let mut deployed = run.target.clone();
        deployed.ready_at = Some(world.snapshot.now);
        status.deployed = Some(deployed.clone());
        let step = Step::advance(status, State::Ready { deployed }).with(Effect::Wake { id: run.host });
        let step = step.with(Effect::Settle);
        let step = match claiming::pool_of(world, &host).await? {
            Some(pool) => {
                let shared = claiming::shared(&run.target, world.spec(), &pool);
                step.with(Effect::Absolve { pool: pool.meta.id, shared })
            }
            None => step,
        };
        return Ok(if called {
            let text = "the installed system called home".into();
            withdrawn(step, run.host).with(Effect::Note { text })
        } else {
            // The order to leave and the one-time URL stay: the agent may not have read the one, and the installed
            // system will call the other.
            step.with(Effect::Note { text: "the image is written".into() })
        });
    }
    if world.snapshot.is_stalled(world.machines.patience.start) {
        let failure = Failure::new(
            ErrorKind::Permanent,
            format!("machine {}: waiting for the installed system on host {name}", world.name()),
            format!(
                "it did not call its one-time URL within {} s after the image was written",
                world.machines.patience.start.as_secs()
            ),
            "the host was left on as it is; the image is on its disk",
            "look at its console; does the image run cloud-init with phone_home? If not, set wait_for = \"written\"",
        );
        return Ok(world.give_up(run, failure, Disk::Touched));
    }
    let later = world.later(world.machines.patience.start);
    Ok(Step::wait(status, format!("the system installed on host {name} to call home"), later))
}

/// Is the host on? It is asked to be.
async fn is_on(world: &World<'_>, host: &Object<Host>) -> Result<bool, Failure> {
    let failed = |error| world.driver_failed(host, "switching it on", &error);
    let bmc = world.bmc(host).await?;
    if bmc.observe().await.map_err(failed)?.power == Power::On {
        return Ok(true);
    }
    bmc.ensure_power(Power::On).await.map_err(failed)?;
    Ok(false)
}
