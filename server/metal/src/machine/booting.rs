//! Booting: wait for the agent to call home, check that it runs on the box that was enrolled, and give it its work.

use jiff::{SignedDuration, Timestamp};
use underlay_core::{
    Effect, ErrorKind, Failure, Object, Step,
    agent::{Assignment, Deploy, Inventory, Purpose, Task, TokenGrant},
    bmc::{Power, Target},
    boot::Token,
    host::Host,
    identity,
    image::SeedFormat,
    machine::{Machine, Run, State, Status, Takeover, USER_DATA, WaitFor, volume::Resolved},
    observation::{Body, Source},
    seed::Seed,
    step::When,
};

use super::{
    inheriting,
    needs::{self, Need},
    steps, trust, waiting, ways,
    world::{Disk, LATER, World},
};
use crate::{
    seed::{self, Attributes},
    token,
};

/// A host that is seen to boot is waited for, but for no longer than so many times the patience with one that is silent.
const LOOPS: u32 = 4;
/// What is so wherever an agent has not got its work yet.
pub(super) const UNTOUCHED: &str = "nothing was handed out and no byte was written";
/// How long the installed system may take to call its one-time URL.
pub(super) const PHONE_HOME_LIFE: SignedDuration = SignedDuration::from_hours(24);

pub(super) async fn step(world: &World<'_>, run: &Run) -> Result<Step<Machine>, Failure> {
    if world.is_outdated(run) {
        return Ok(world.start_over(run));
    }
    if world.has_outlived_its_token() {
        return Ok(world.boot_anew(run));
    }
    let host = world.host(run.host).await?;
    match world.observed(run.host, Source::Inventory).await?.map(|seen| seen.body) {
        Some(Body::Inventory { epoch, inventory }) if epoch == run.epoch => {
            called_home(world, run, &host, &inventory).await
        }
        _ => wait_on(world, run, &host).await,
    }
}

async fn wait_on(world: &World<'_>, run: &Run, host: &Object<Host>) -> Result<Step<Machine>, Failure> {
    if run.takeover == Takeover::Begun {
        return waiting::wait_on(world, run, host).await;
    }
    let name = &host.meta.key.name;
    // The one who came first may never have said a word; the one who came second was turned away.
    if let Some(failure) = world.intruder(run, name, UNTOUCHED).await? {
        return Ok(world.give_up(run, failure, Disk::Untouched));
    }
    if let Some(failure) = trust::unproven(world, run, name).await? {
        return Ok(world.give_up(run, failure, Disk::Untouched));
    }
    let seen = world.observed(run.host, Source::Boot).await?;
    // A host may have begun to boot before its power was seen to be on.
    let began = Timestamp::from_microsecond(run.epoch).unwrap_or(world.snapshot.object.progress.since);
    let last = match seen.filter(|seen| seen.at >= began) {
        Some(seen) => match seen.body {
            Body::Boot { what } => format!("last seen: {what}"),
            _ => "nothing seen on the network yet".into(),
        },
        None => "nothing seen on the network yet".into(),
    };
    let patience = world.machines.patience.boot;
    if world.snapshot.is_stalled(patience) && world.was_away(run) {
        return Ok(world.boot_again(run));
    }
    let what = if world.snapshot.is_stalled(patience) {
        Some(format!("nothing new for {} s", patience.as_secs()))
    } else if world.snapshot.has_lasted(patience * LOOPS) {
        Some(format!("it boots again and again, for {} s by now", (patience * LOOPS).as_secs()))
    } else {
        None
    };
    if let Some(what) = what {
        // What its BMC says now tells a boot source that was lost from a cable that is not there.
        let last = format!("{last}; {}", claim(world, host).await);
        let waited = world.snapshot.now.duration_since(world.snapshot.object.progress.since).unsigned_abs();
        let why = ways::in_vain(host, run, waited, &last);
        if let Some(step) = ways::fall_back(world, run, host, &why) {
            return Ok(step);
        }
        let failure = Failure::new(
            ErrorKind::Permanent,
            format!("machine {}: waiting for the agent on host {name}", world.name()),
            format!("{what}; {last}"),
            "the host was left on as it is; nothing was written to its disk",
            format!("look at its console and boot order, see underlay explain host/{name}, then apply again"),
        );
        return Ok(world.give_up(run, failure.blaming_host(), Disk::Untouched));
    }
    Ok(Step::wait(
        world.status(),
        format!("the agent on host {name} to call home; {last}"),
        world.later(patience),
    ))
}

/// What the BMC of a host that does not call says of it; that it does not say is said too.
async fn claim(world: &World<'_>, host: &Object<Host>) -> String {
    let observed = match world.machines.bmcs.bmc(host, world.view).await {
        Ok(bmc) => bmc.observe().await,
        Err(error) => Err(error),
    };
    match observed {
        Ok(seen) => {
            let power = match seen.power {
                Power::On => "on",
                Power::Off => "off",
                Power::Unknown => "in a power state it does not tell",
            };
            let next = match seen.next_boot {
                Some(Target::NetworkOnce | Target::HttpOnce) => {
                    "set to start from the network, so it has not started yet"
                }
                Some(Target::MediaOnce) => "set to start from its virtual CD, so it has not started yet",
                Some(Target::Disk) => "set to start from its disk: what was set for once is lost",
                None => "with no boot source set, as it is once that was used",
            };
            format!("its BMC says that it is {power}, {next}")
        }
        Err(error) => format!("its BMC says nothing: {}", underlay_core::because(&error)),
    }
}

async fn called_home(
    world: &World<'_>,
    run: &Run,
    host: &Object<Host>,
    inventory: &Inventory,
) -> Result<Step<Machine>, Failure> {
    let mut status = world.status();
    status.inventory = Some(inventory.clone());
    let name = &host.meta.key.name;
    // Neither of the two gets the seed, which may hold secrets.
    if let Some(failure) = world.intruder(run, name, UNTOUCHED).await? {
        return Ok(world.give_up(run, failure, Disk::Untouched));
    }
    if let Some(step) = trust::raised(world, run) {
        return Ok(step);
    }
    if let Err(mismatch) = identity::check(&host.spec.identity, inventory) {
        let failure = Failure::new(
            ErrorKind::Permanent,
            format!("machine {}: checking who answered as host {name}", world.name()),
            mismatch.to_string(),
            "no byte was written",
            format!(
                "check which BMC and which cable belong to host {name}, correct the enrolment and apply again"
            ),
        );
        return Ok(world.give_up(run, failure.blaming_host(), Disk::Untouched));
    }
    if let Some(course) = steps::course(world, host, When::PreDeploy).await? {
        status.steps.clear();
        let note = format!("the agent called home from host {name}; steps come first");
        return Ok(Step::advance(status, State::PreDeploy { run: run.clone(), course })
            .with(Effect::Wake { id: run.host })
            .with(Effect::Note { text: note }));
    }
    status.steps.clear();
    deploy(world, run, host, inventory, status).await
}

/// Gives the agent its work, once nothing is left to be done before.
pub(super) async fn hand_out(
    world: &World<'_>,
    run: &Run,
    host: &Object<Host>,
    inventory: &Inventory,
) -> Result<Step<Machine>, Failure> {
    deploy(world, run, host, inventory, world.status()).await
}

async fn deploy(
    world: &World<'_>,
    run: &Run,
    host: &Object<Host>,
    inventory: &Inventory,
    status: Status,
) -> Result<Step<Machine>, Failure> {
    let name = &host.meta.key.name;
    let image = match needs::image(world, &run.target.image).await? {
        Need::Met(image) => image,
        Need::NotYet(reason, amount) => return Ok(Step::wait(status, reason, LATER).at(amount)),
        Need::Unmet(failure) => return Ok(world.give_up(run, failure, Disk::Untouched)),
    };
    let disk = match needs::disk(world, name.as_str(), inventory, &image) {
        Need::Met(disk) => disk,
        Need::NotYet(reason, amount) => return Ok(Step::wait(status, reason, LATER).at(amount)),
        Need::Unmet(failure) => return Ok(world.give_up(run, failure, Disk::Untouched)),
    };
    let volumes = match needs::volumes(world, name.as_str(), inventory, disk) {
        Need::Met(volumes) => volumes,
        Need::NotYet(reason, amount) => return Ok(Step::wait(status, reason, LATER).at(amount)),
        Need::Unmet(failure) => return Ok(world.give_up(run, failure, Disk::Untouched)),
    };
    let phone_home = Token(token::mint());
    let mut next = run.clone();
    next.phone_home = (world.spec().wait_for == WaitFor::Booted).then(|| phone_home.digest());
    let inheritance = inheriting::inheritance(world, Some(host)).await?;
    if let Some(failure) = inheriting::unfit(world, &inheritance) {
        return Ok(world.give_up(run, failure, Disk::Untouched));
    }
    // It may have changed since this deployment began; what is written now is what counts.
    next.target = next.target.inheriting(inheritance.digest(world.spec()));
    let attributes = inheriting::attributes(world, &inheritance).await?;
    let seed = make_seed(
        world,
        run,
        host,
        inventory,
        (image.seed, disk.sector),
        &phone_home,
        (&attributes, &volumes),
    )
    .await?;
    let deploy = Deploy {
        identity: identity::expected(&host.spec.identity),
        root: world.spec().root.clone(),
        manifest_path: crate::http::manifest_path(&image.sha256),
        data_path: crate::http::data_path(&image.sha256),
        manifest_digest: image.manifest_digest,
        virtual_size: image.size,
        seed,
    };
    let assignment = Assignment {
        host: run.host,
        on_behalf_of: world.snapshot.object.meta.id,
        epoch: run.epoch,
        task: Task::Deploy(Box::new(deploy)),
    };
    let grant = TokenGrant {
        digest: phone_home.digest(),
        host: run.host,
        on_behalf_of: world.snapshot.object.meta.id,
        epoch: run.epoch,
        purpose: Purpose::PhoneHome,
        expires_at: world.snapshot.now + PHONE_HOME_LIFE,
    };
    let note = format!("the agent called home from host {name}; root disk {} ({})", disk.name, disk.size);
    Ok(Step::advance(status, State::Imaging { run: next })
        .with(Effect::GrantToken(grant))
        .with(Effect::Assign(assignment))
        .with(Effect::Wake { id: run.host })
        .with(Effect::Note { text: note }))
}

async fn make_seed(
    world: &World<'_>,
    run: &Run,
    host: &Object<Host>,
    inventory: &Inventory,
    (format, sector): (SeedFormat, u32),
    phone_home: &Token,
    (attributes, volumes): (&Attributes, &Resolved),
) -> Result<Seed, Failure> {
    let object = &world.snapshot.object;
    let user_data =
        world.view.secret(object.meta.id, USER_DATA).await.map_err(|error| world.unreadable(&error))?;
    let url = world.machines.boot_url.boot_url(&host.spec);
    let boot_mac = inventory.nics.iter().find(|nic| nic.boot).map(|nic| nic.mac);
    let content = seed::Content {
        instance: format!("{}-{}", object.meta.id, run.epoch),
        spec: world.spec(),
        boot_mac: boot_mac.or(host.spec.identity.boot_mac).or(host.status.boot_mac),
        user_data: user_data.as_ref(),
        phone_home: crate::http::phone_home_url(&url, phone_home),
        volumes,
        attributes,
    };
    seed::image(&content, format, sector).map_err(|error| {
        Failure::new(
            ErrorKind::Invalid,
            format!("machine {}: making its seed", world.name()),
            underlay_core::because(&error),
            "nothing was written",
            "mend user_data, the files of its profiles or its volumes, and apply again",
        )
        .at(if matches!(error, seed::Error::Volumes) { "volumes" } else { "user_data" })
    })
}
