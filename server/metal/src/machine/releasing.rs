//! Releasing: nothing is served to the host any more, it is switched off, the claim is given up, the object is gone.
//!
//! The claim is held until the host is seen off: a host that still runs must not be claimed by another machine. Where
//! its pool has hosts cleaned, it goes to the host itself; else disks are left as they are, and the next deployment writes over
//! them. The machine does not wait for the cleaning. A system that was taken as it stands runs on.

use underlay_core::{
    Effect, Failure, ObjectId, Step,
    bmc::{Power, Target},
    host::Host,
    machine::Machine,
};

use super::{
    adopted, claiming, ways,
    world::{LATER, SOON, World, withdrawn},
};

pub(super) async fn step(world: &World<'_>, host: Option<ObjectId>) -> Result<Step<Machine>, Failure> {
    let Some(id) = host else { return Ok(Step::gone(world.status())) };
    let mine = world.view.holder(id).await.map_err(|error| world.unreadable(&error))?;
    if mine != Some(world.snapshot.object.meta.id) {
        return Ok(Step::gone(world.status()));
    }
    let raw = world.view.by_id(id).await.map_err(|error| world.unreadable(&error))?;
    let Some(raw) = raw else { return Ok(gone(world, id, Effect::Release { host: id })) };
    let host = raw.decode::<Host>().map_err(|error| world.unreadable(&error))?;
    if adopted::is_untouched(world) {
        return Ok(match adopted::leave(world, &host).await? {
            Some(waiting) => waiting,
            None => gone(world, id, Effect::Release { host: id }),
        });
    }
    let bmc = world.bmc(&host).await?;
    let observed = bmc
        .observe()
        .await
        .map_err(|error| world.driver_failed(&host, "reading its power to release it", &error))?;
    if observed.power == Power::Off {
        bmc.ensure_next_boot(Target::Disk)
            .await
            .map_err(|error| world.driver_failed(&host, "setting its next boot to the disk", &error))?;
        ways::take_out(world, &host, &*bmc).await?;
        return Ok(gone(world, id, claiming::let_go_of(world, &host).await?));
    }
    bmc.ensure_power(Power::Off)
        .await
        .map_err(|error| world.driver_failed(&host, "switching it off to release it", &error))?;
    // A BMC that does not do what it accepted is asked for as long as it takes, but not every other second.
    let again = if world.snapshot.is_stalled(world.machines.patience.power) { LATER } else { SOON };
    let reason = format!("host {} to switch off, so that it can be released", host.meta.key.name);
    Ok(world.switching(&host, (Power::Off, None), reason, again))
}

#[track_caller]
fn gone(world: &World<'_>, host: ObjectId, lets_go: Effect) -> Step<Machine> {
    withdrawn(Step::gone(world.status()), host).with(lets_go).with(Effect::Wake { id: host })
}
