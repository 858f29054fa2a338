//! PoweringOn: set to start the agent once, by the next of its ways, then switched on. Where what is wanted is on the disk already, set to
//! start from the disk.

use underlay_core::{
    Effect, ErrorKind, Failure, Object, Step,
    bmc::{Power, Target},
    host::Host,
    machine::{Deployed, Machine, Run, State},
};

use super::{
    ways::{self, Armed},
    world::{Disk, SOON, World, starts_again},
};

pub(super) async fn step(world: &World<'_>, run: &Run) -> Result<Step<Machine>, Failure> {
    if !starts_again(run) && world.has_outlived_its_token() {
        return Ok(world.boot_anew(run));
    }
    let host = world.host(run.host).await?;
    let name = &host.meta.key.name;
    let bmc = world.bmc(&host).await?;
    let observed =
        bmc.observe().await.map_err(|error| world.driver_failed(&host, "reading its power", &error))?;
    if observed.power == Power::On {
        return Ok(if starts_again(run) { runs_again(world, run) } else { boots(world, run) });
    }
    if starts_again(run) {
        let step = "setting its next boot to the disk";
        let set = bmc.ensure_next_boot(Target::Disk).await;
        set.map_err(|error| world.driver_failed(&host, step, &error))?;
    } else if let Armed::Never(why) = ways::arm(world, run, &host, &*bmc).await? {
        let text = format!("host {name} is not booted by {}: {why}", ways::word(ways::method(&host, run)));
        return Ok(match ways::fall_back(world, run, &host, &text) {
            Some(step) => step,
            None => world.give_up(run, no_way(world, &host, text), Disk::Untouched),
        });
    }
    bmc.ensure_power(Power::On)
        .await
        .map_err(|error| world.driver_failed(&host, "switching it on", &error))?;
    if world.snapshot.is_stalled(world.machines.patience.power) {
        let failure = Failure::new(
            ErrorKind::Permanent,
            format!("machine {}: switching on host {name}", world.name()),
            format!("its BMC accepted the wish and reports {:?} all the same", observed.power),
            "nothing was written to its disk",
            format!("look at the box: underlay power observe host/{name}; then apply again"),
        );
        return Ok(world.give_up(run, failure.blaming_host(), Disk::Untouched));
    }
    Ok(Step::wait(world.status(), format!("host {name} to switch on"), SOON))
}

fn no_way(world: &World<'_>, host: &Object<Host>, why: String) -> Failure {
    let name = &host.meta.key.name;
    Failure::new(
        ErrorKind::Permanent,
        format!("machine {}: booting the agent on host {name}", world.name()),
        why,
        "nothing was written to its disk",
        format!(
            "give host {name} another way in boot.methods and apply again; see underlay explain host/{name}"
        ),
    )
}

fn boots(world: &World<'_>, run: &Run) -> Step<Machine> {
    Step::advance(world.status(), State::Booting { run: run.clone() })
}

/// What was on the disk was not touched; it counts as deployed as of now.
fn runs_again(world: &World<'_>, run: &Run) -> Step<Machine> {
    let deployed = Deployed { epoch: run.epoch, ..run.target.clone() };
    let mut status = world.status();
    status.deployed = Some(deployed.clone());
    let text = "started again from its disk".into();
    Step::advance(status, State::Ready { deployed })
        .with(Effect::Settle)
        .with(Effect::Wake { id: run.host })
        .with(Effect::Note { text })
}
