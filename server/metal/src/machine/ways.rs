//! Ways to boot: a host is started by the first of its `boot.methods`, and by the next one where that will not do or no
//! agent came by it. Only after the last does a deployment fail.
//!
//! Each attempt begins anew, from a host that is off, with an epoch and a token of its own: an agent that comes late by a
//! way that was given up is turned away.
//!
//! A boot by virtual media has its plan in the image alone. The host's NICs boot its own disk meanwhile, so its token is
//! on no boot network.

use std::time::Duration;

use underlay_core::{
    Effect, ErrorKind, Failure, Object, Outcome, Step,
    agent::{Assignment, Task},
    bmc::{Bmc, Error, Power, Target},
    host::{BootMethod, Host},
    machine::{Deployed, Machine, Run, State},
};

use super::world::{World, withdrawn};

/// Was a host set to start the agent?
pub(super) enum Armed {
    /// Yes, at its next power-on.
    Yes,
    /// No, and by this way it never will be: why.
    Never(String),
}

/// The way that this attempt goes.
pub(super) fn method(host: &Object<Host>, run: &Run) -> BootMethod {
    let methods = &host.spec.boot.methods;
    let attempt = usize::try_from(run.attempt).unwrap_or(usize::MAX);
    // The list may have become shorter since; a spec without any is refused.
    methods.get(attempt).or(methods.last()).copied().unwrap_or(BootMethod::Pxe)
}

/// What the host is to start from for this attempt.
pub(super) fn target(host: &Object<Host>, run: &Run) -> Target {
    match method(host, run) {
        BootMethod::Pxe => Target::NetworkOnce,
        BootMethod::Http => Target::HttpOnce,
        BootMethod::VirtualMedia => Target::MediaOnce,
    }
}

/// The word for a way, as in HCL.
pub(super) fn word(method: BootMethod) -> &'static str {
    match method {
        BootMethod::Pxe => "pxe",
        BootMethod::Http => "http",
        BootMethod::VirtualMedia => "virtual_media",
    }
}

/// Sets the host to start the agent once, by the way of this attempt. What may yet come right is an error, for as long as
/// patience lasts.
pub(super) async fn arm(
    world: &World<'_>,
    run: &Run,
    host: &Object<Host>,
    bmc: &dyn Bmc,
) -> Result<Armed, Failure> {
    let target = target(host, run);
    let step = match target {
        Target::MediaOnce => "setting its next boot to its virtual media",
        _ => "setting its next boot to the network",
    };
    let armed = match target {
        Target::MediaOnce => insert(world, run, host, bmc).await,
        _ => {
            take_out(world, host, bmc).await?;
            Ok(())
        }
    };
    let armed = match armed {
        Ok(()) => bmc.ensure_next_boot(target).await,
        refused => refused,
    };
    let Err(error) = armed else { return Ok(Armed::Yes) };
    let is_final = matches!(error, Error::Unsupported { .. });
    if is_final || (next(host, run).is_some() && world.snapshot.is_stalled(world.machines.patience.power)) {
        return Ok(Armed::Never(underlay_core::because(&error)));
    }
    Err(world.driver_failed(host, step, &error))
}

async fn insert(world: &World<'_>, run: &Run, host: &Object<Host>, bmc: &dyn Bmc) -> Result<(), Error> {
    let unable = |why: String| Error::Unsupported {
        address: host.meta.key.name.to_string(),
        wish: "boot from virtual media".into(),
        why,
    };
    let media = bmc.virtual_media().ok_or_else(|| unable("its driver has none".into()))?;
    let url = world.machines.media.of(host, run.epoch).map_err(unable)?;
    media.ensure_media(Some(&url)).await
}

/// Has no image of ours in the host's drive, where its ways to boot put one there. A BMC that cannot, or does not for as
/// long as patience lasts, holds up nothing: what the image says is void by then.
pub(super) async fn take_out(world: &World<'_>, host: &Object<Host>, bmc: &dyn Bmc) -> Result<(), Failure> {
    let Err(error) = eject(host, bmc).await else { return Ok(()) };
    let patience = world.machines.patience;
    let is_late = world.snapshot.is_stalled(patience.power.min(patience.imaging) / 2);
    if error.kind() == ErrorKind::Transient && !is_late {
        return Err(world.driver_failed(host, "taking its virtual media out", &error));
    }
    left_in(host, &error);
    Ok(())
}

async fn eject(host: &Object<Host>, bmc: &dyn Bmc) -> Result<(), Error> {
    match bmc.virtual_media().filter(|_| host.spec.boot.methods.contains(&BootMethod::VirtualMedia)) {
        Some(media) => media.ensure_media(None).await,
        None => Ok(()),
    }
}

fn left_in(host: &Object<Host>, error: &Error) {
    let error = underlay_core::because(error);
    tracing::info!(host = %host.meta.key.name, error, "its virtual media are left in");
}

/// Is a host off that was started from its virtual CD? It is asked to be. Such a host does not restart by itself: hosts were
/// seen to start from the CD again then, whatever was set and ejected meanwhile (libvirt 9.0 behind sushy-tools 2.2.0).
pub(super) async fn is_off(world: &World<'_>, host: &Object<Host>, bmc: &dyn Bmc) -> Result<bool, Failure> {
    let failed = |error| world.driver_failed(host, "switching it off, away from its virtual media", &error);
    if bmc.observe().await.map_err(failed)?.power == Power::Off {
        return Ok(true);
    }
    bmc.ensure_power(Power::Off).await.map_err(failed)?;
    Ok(false)
}

/// Once, where a deployment ends badly: nobody waits for it.
pub(super) async fn tidy(world: &World<'_>, decided: &Step<Machine>) {
    let ends = match &decided.outcome {
        Outcome::Advance { next } | Outcome::Failed { next, .. } => {
            matches!(next, State::Failed { .. } | State::Replacing { .. })
        }
        _ => false,
    };
    let Some(run) = world.snapshot.object.state.run().filter(|_| ends) else { return };
    let Ok(Some(host)) = world.find_host(run.host).await else { return };
    if method(&host, run) != BootMethod::VirtualMedia {
        return;
    }
    let Ok(bmc) = world.bmc(&host).await else { return };
    if let Err(error) = eject(&host, &*bmc).await {
        left_in(&host, &error);
    }
}

/// The way that comes after this attempt's, if there is another.
fn next(host: &Object<Host>, run: &Run) -> Option<BootMethod> {
    let attempt = usize::try_from(run.attempt).ok()?.checked_add(1)?;
    host.spec.boot.methods.get(attempt).copied()
}

/// Goes on with the next way to boot, because of `why`; none where this was the last one.
#[track_caller]
pub(super) fn fall_back(
    world: &World<'_>,
    run: &Run,
    host: &Object<Host>,
    why: &str,
) -> Option<Step<Machine>> {
    let method = next(host, run)?;
    let epoch = world.next_epoch();
    let target = Deployed { epoch, ..run.target.clone() };
    let again = Run { epoch, target, attempt: run.attempt + 1, ..run.clone() };
    let mut status = world.status();
    status.epoch = epoch;
    let on_behalf_of = world.snapshot.object.meta.id;
    let stay = Assignment { host: run.host, on_behalf_of, epoch, task: Task::Stay };
    let step = withdrawn(Step::advance(status, State::PoweringOff { run: again }), run.host);
    Some(
        step.with(Effect::Assign(stay))
            .with(Effect::Note { text: format!("{why}; trying {}", word(method)) }),
    )
}

/// What is said of a way by which no agent came.
pub(super) fn in_vain(host: &Object<Host>, run: &Run, waited: Duration, last: &str) -> String {
    format!("no agent by {} in {} s ({last})", word(method(host, run)), waited.as_secs())
}
