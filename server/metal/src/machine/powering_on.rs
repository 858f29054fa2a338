//! PoweringOn: set to start once from the network, then switched on.

use underlay_core::{
    ErrorKind, Failure, Step,
    bmc::{Power, Target},
    machine::{Machine, Run, State},
};

use super::world::{Disk, SOON, World};

pub(super) async fn step(world: &World<'_>, run: &Run) -> Result<Step<Machine>, Failure> {
    let host = world.host(run.host).await?;
    let name = &host.meta.key.name;
    let bmc = world.bmc(&host).await?;
    let observed = match bmc.observe().await {
        Ok(observed) => observed,
        Err(error) => return world.try_again(run, world.driver_failed(&host, "reading its power", &error)),
    };
    if observed.power == Power::On {
        return Ok(Step::advance(world.status(), State::Booting { run: run.clone() }));
    }
    if let Err(error) = bmc.ensure_next_boot(Target::NetworkOnce).await {
        return world
            .try_again(run, world.driver_failed(&host, "setting its next boot to the network", &error));
    }
    if let Err(error) = bmc.ensure_power(Power::On).await {
        return world.try_again(run, world.driver_failed(&host, "switching it on", &error));
    }
    if world.snapshot.is_stalled(world.machines.patience.power) {
        let failure = Failure::new(
            ErrorKind::Permanent,
            format!("machine {}: switching on host {name}", world.name()),
            format!("its BMC accepted the wish and reports {:?} all the same", observed.power),
            "nothing was written to its disk",
            format!("look at the box: underlay power observe host/{name}; then apply again"),
        );
        return Ok(world.give_up(run, failure, Disk::Untouched));
    }
    Ok(Step::wait(world.status(), format!("host {name} to switch on"), SOON))
}
