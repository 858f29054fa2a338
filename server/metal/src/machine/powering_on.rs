//! PoweringOn: set to start the agent once, by the next of its ways, then switched on. Where what is wanted is on the disk already, set to
//! start from the disk.

use underlay_core::{
    Effect, ErrorKind, Failure, Object, Step,
    bmc::{Power, Target},
    host::{self, Host},
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
    let bmc = world.bmc(&host).await?;
    let observed =
        bmc.observe().await.map_err(|error| world.driver_failed(&host, "reading its power", &error))?;
    if observed.power == Power::On {
        return Ok(if starts_again(run) { runs_again(world, run) } else { boots(world, run) });
    }
    let target = if starts_again(run) { Target::Disk } else { ways::target(&host, run) };
    if starts_again(run) {
        let step = "setting its next boot to the disk";
        let set = bmc.ensure_next_boot(Target::Disk).await;
        set.map_err(|error| world.driver_failed(&host, step, &error))?;
    } else if let Armed::Never(why) = ways::arm(world, run, &host, &*bmc).await? {
        let way = ways::word(ways::method(&host, run));
        let text = format!("host {} is not booted by {way}: {why}", host.meta.key.name);
        return Ok(match ways::fall_back(world, run, &host, &text) {
            Some(step) => step,
            None => world.give_up(run, no_way(world, &host, text), Disk::Untouched),
        });
    }
    bmc.ensure_power(Power::On)
        .await
        .map_err(|error| world.driver_failed(&host, "switching it on", &error))?;
    if world.snapshot.is_stalled(world.power_patience(&host)) {
        return Ok(world.give_up(run, stays_off(world, &host, target, observed.power), Disk::Untouched));
    }
    let reason = format!("host {} to switch on", host.meta.key.name);
    Ok(world.switching(&host, (Power::On, Some(target)), reason, SOON))
}

fn stays_off(world: &World<'_>, host: &Object<Host>, target: Target, seen: Power) -> Failure {
    let name = &host.meta.key.name;
    let what = format!("machine {}: switching on host {name}", world.name());
    let done = "nothing was written to its disk";
    if let Some(somebody) = host::awaited(host, Power::On, Some(target)) {
        let why = format!("in {} h nobody said that it is on", world.power_patience(host).as_secs() / 3600);
        // The host cannot help it.
        return Failure::new(
            ErrorKind::Permanent,
            what,
            why,
            done,
            format!("have {somebody}; then apply again"),
        );
    }
    Failure::new(
        ErrorKind::Permanent,
        what,
        format!("its BMC accepted the wish and reports {seen:?} all the same"),
        done,
        format!("look at the box: underlay power observe host/{name}; then apply again"),
    )
    .blaming_host()
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
