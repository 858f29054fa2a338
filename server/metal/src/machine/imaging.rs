//! Imaging: follow the agent's reports until all is written, then send it off to start from its disk.
//!
//! The disk counts as touched from the first report of writing. The next boot is set to the disk before the agent is
//! told to leave, so that a restart never comes back to the network. A host that was started from its virtual CD is
//! switched off instead, and on again by [`super::starting`].

use underlay_core::{
    Amount, Effect, ErrorKind, Failure, Object, Step, Unit,
    agent::{Assignment, Leave, Purpose, Report, Stage, Task, TokenGrant, Touched},
    bmc::Target,
    host::{BootMethod, Host},
    machine::{Machine, Run, State, Status},
    observation::{Body, Source},
};

use super::{
    booting::PHONE_HOME_LIFE,
    ways,
    world::{Disk, SOON, World},
};

pub(super) async fn step(world: &World<'_>, run: &Run) -> Result<Step<Machine>, Failure> {
    let host = world.host(run.host).await?;
    let name = &host.meta.key.name;
    let stage = match world.observed(run.host, Source::Agent).await?.map(|seen| seen.body) {
        Some(Body::Report(Report { epoch, stage })) if epoch == run.epoch => Some(stage),
        _ => None,
    };
    let later = world.later(world.machines.patience.imaging);
    let wait = |reason: String| Step::wait(world.status(), reason, later);
    let step = match &stage {
        // An agent that wipes is not a machine's.
        None | Some(Stage::Wiping { .. } | Stage::Wiped { .. }) => {
            wait(format!("the agent on host {name} to take its work"))
        }
        Some(Stage::Checking) => wait(format!("the agent on host {name} to check identity and disk")),
        Some(Stage::Writing { disk, done, total }) => {
            let amount = Amount { done: *done, total: *total, unit: Unit::Bytes };
            let reason = format!("writing the image to {disk} of host {name}");
            Step::wait(touched_status(world), reason, later).at(Some(amount))
        }
        Some(Stage::Finishing) => Step::wait(touched_status(world), "writing the seed", later),
        Some(Stage::Written { disk, written, elapsed_ms, .. }) => {
            let mut status = touched_status(world);
            status.root_disk = Some(disk.clone());
            status.written = Some((*written, *elapsed_ms));
            return written_all(world, run, &host, status).await;
        }
        Some(Stage::Failed { failure, touched_disk }) => {
            return Ok(failed(world, run, &host, failure, *touched_disk));
        }
    };
    if world.snapshot.is_stalled(world.machines.patience.imaging) {
        return Ok(stalled(world, run, &host, stage.as_ref()));
    }
    Ok(step)
}

/// From the first byte on, what was on the disk before is gone.
fn touched_status(world: &World<'_>) -> Status {
    Status { deployed: None, address: None, ssh_host_keys: Vec::new(), ..world.status() }
}

async fn written_all(
    world: &World<'_>,
    run: &Run,
    host: &Object<Host>,
    mut status: Status,
) -> Result<Step<Machine>, Failure> {
    if let Some(brake) = &world.hold.brake {
        return Ok(Step::held(status, brake.clone()));
    }
    let bmc = world.bmc(host).await?;
    let by_media = ways::method(host, run) == BootMethod::VirtualMedia;
    if by_media && !ways::is_off(world, host, &*bmc).await? {
        if world.snapshot.is_stalled(world.machines.patience.power) {
            return Ok(world.give_up(run, stays_on(world, host), Disk::Touched));
        }
        let reason = format!("host {} to switch off, so that it starts from its disk", host.meta.key.name);
        return Ok(Step::wait(status, reason, SOON));
    }
    bmc.ensure_next_boot(Target::Disk)
        .await
        .map_err(|error| world.driver_failed(host, "setting its next boot to the disk", &error))?;
    ways::take_out(world, host, &*bmc).await?;
    status.deployments += 1;
    let leave = Assignment {
        host: run.host,
        on_behalf_of: world.snapshot.object.meta.id,
        epoch: run.epoch,
        task: Task::Leave(Leave::Reboot),
    };
    let (bytes, millis) = status.written.unwrap_or_default();
    let note = format!("wrote {bytes} bytes in {millis} ms; starting from the disk");
    let step = Step::advance(status, State::Starting { run: run.clone() })
        .with(Effect::DropBootPlans { host: run.host })
        // Where the host is off, there is no agent that could leave.
        .with(if by_media { Effect::Unassign { host: run.host } } else { Effect::Assign(leave) })
        .with(Effect::Note { text: note });
    Ok(match &run.phone_home {
        // The one-time URL lives for a day, and may have lain here for longer.
        Some(digest) if world.hold.lifted_at.is_some() => {
            step.with(Effect::GrantToken(called_home_with(world, run, digest)))
        }
        _ => step,
    })
}

fn stays_on(world: &World<'_>, host: &Object<Host>) -> Failure {
    let name = &host.meta.key.name;
    let seconds = world.machines.patience.power.as_secs();
    let failure = Failure::new(
        ErrorKind::Permanent,
        format!("machine {}: starting host {name} from its disk", world.name()),
        format!("its BMC accepted {seconds} s ago to switch it off and still reports that it is on"),
        "the image is on its disk, and the agent waits",
        format!("look at the box: underlay power observe host/{name}; then apply again"),
    );
    failure.blaming_host()
}

fn called_home_with(world: &World<'_>, run: &Run, digest: &str) -> TokenGrant {
    TokenGrant {
        digest: digest.to_owned(),
        host: run.host,
        on_behalf_of: world.snapshot.object.meta.id,
        epoch: run.epoch,
        purpose: Purpose::PhoneHome,
        expires_at: world.snapshot.now + PHONE_HOME_LIFE,
    }
}

#[track_caller]
fn failed(
    world: &World<'_>,
    run: &Run,
    host: &Object<Host>,
    failure: &Failure,
    touched_disk: Touched,
) -> Step<Machine> {
    let mut failure = failure.clone();
    failure.what = format!("machine {}: {} on host {}", world.name(), failure.what, host.meta.key.name);
    let disk = match touched_disk {
        Touched::No => Disk::Untouched,
        Touched::Yes => Disk::Touched,
    };
    world.give_up(run, failure, disk)
}

/// Only the agent itself can say that it wrote nothing: one that fell silent may have begun, or may go on.
fn stalled(world: &World<'_>, run: &Run, host: &Object<Host>, stage: Option<&Stage>) -> Step<Machine> {
    let name = &host.meta.key.name;
    let evidence = match stage {
        Some(Stage::Writing { done, total, .. }) => format!("{done} of {total} bytes were written"),
        Some(Stage::Finishing) => "the image was written, the seed was not".into(),
        _ => "it had its work, and it is not known whether it wrote anything".into(),
    };
    let patience = world.machines.patience.imaging.as_secs();
    let failure = Failure::new(
        ErrorKind::Permanent,
        format!("machine {}: imaging host {name}", world.name()),
        format!("the agent reported nothing new for {patience} s; {evidence}"),
        "the host was left on as it is",
        format!("look at its console and link, see underlay explain host/{name}, then apply again"),
    );
    world.give_up(run, failure.blaming_host(), Disk::Touched)
}
