//! Pending: find what the spec names, make sure it fits, claim the host. Nothing is touched in this state.

use underlay_core::{
    Effect, ErrorKind, Failure, Kind, Object, Step,
    agent::{Assignment, Task},
    disks,
    host::{self, Host},
    identity,
    image::{self, Image},
    machine::{Deployed, Machine, Run, State},
};

use super::world::{LATER, World};

pub(super) async fn step(world: &World<'_>) -> Result<Step<Machine>, Failure> {
    let host = match find_host(world).await? {
        Found::Here(host) => host,
        Found::NotYet(step) => return Ok(step),
    };
    let image = match find_image(world).await? {
        Found::Here(image) => image,
        Found::NotYet(step) => return Ok(step),
    };
    if let Err(failure) = fits(world, &host, &image) {
        return Ok(refuse(world, failure));
    }
    let holder = world.view.holder(host.meta.id).await.map_err(|error| world.unreadable(&error))?;
    if let Some(other) = holder.filter(|holder| *holder != world.snapshot.object.meta.id) {
        return Ok(refuse(world, taken(world, &host, other)));
    }
    Ok(begin(world, &host))
}

enum Found<T> {
    Here(T),
    NotYet(Step<Machine>),
}

async fn find_host(world: &World<'_>) -> Result<Found<Object<Host>>, Failure> {
    let name = &world.spec().host;
    let key = &world.snapshot.object.meta.key;
    let raw = world.view.by_name(key, Kind::Host, name).await.map_err(|error| world.unreadable(&error))?;
    let Some(raw) = raw else {
        let failure = Failure::new(
            ErrorKind::Invalid,
            format!("machine {}: finding its host", world.name()),
            format!("there is no host \"{name}\" in site {}", key.site),
            "nothing was touched",
            "enrol it as an underlay_host, or name another: underlay get hosts",
        );
        return Ok(Found::NotYet(refuse(world, failure.at("host"))));
    };
    let host = raw.decode::<Host>().map_err(|error| world.unreadable(&error))?;
    match &host.state {
        host::State::Available => Ok(Found::Here(host)),
        host::State::Enrolling => {
            let why = host.progress.waiting_for.as_deref().unwrap_or("its driver has not answered yet");
            let reason = format!("host {name} is being enrolled: {why}");
            Ok(Found::NotYet(Step::wait(world.status(), reason, LATER)))
        }
        host::State::Quarantined { failure } => {
            let failure = Failure::new(
                ErrorKind::Permanent,
                format!("machine {}: claiming host {name}", world.name()),
                format!("the host is quarantined: {}: {}", failure.what, failure.why),
                "nothing was touched",
                format!("see underlay explain host/{name}, then apply again, or name another host"),
            );
            Ok(Found::NotYet(refuse(world, failure.at("host"))))
        }
        host::State::Leaving => {
            let failure = Failure::new(
                ErrorKind::Permanent,
                format!("machine {}: claiming host {name}", world.name()),
                "the host is being destroyed",
                "nothing was touched",
                "name another host: underlay get hosts",
            );
            Ok(Found::NotYet(refuse(world, failure.at("host"))))
        }
    }
}

async fn find_image(world: &World<'_>) -> Result<Found<Object<Image>>, Failure> {
    let wanted = &world.spec().image;
    let name = wanted.split('@').next().unwrap_or_default();
    let key = &world.snapshot.object.meta.key;
    let raw = world.view.by_name(key, Kind::Image, name).await.map_err(|error| world.unreadable(&error))?;
    let Some(raw) = raw else {
        let failure = Failure::new(
            ErrorKind::Invalid,
            format!("machine {}: finding its image", world.name()),
            format!("there is no image \"{name}\" in site {}", key.site),
            "nothing was touched",
            "write image = underlay_image.NAME.id, so that the image is there first",
        );
        return Ok(Found::NotYet(refuse(world, failure.at("image"))));
    };
    let image = raw.decode::<Image>().map_err(|error| world.unreadable(&error))?;
    let present = image.spec.reference(&image.meta.key.name);
    if !same_content(&present, wanted) {
        let failure = Failure::new(
            ErrorKind::Invalid,
            format!("machine {}: finding its image", world.name()),
            format!("image {name} is {present} now"),
            "nothing was touched",
            "write image = underlay_image.NAME.id, so that both change together",
        );
        return Ok(Found::NotYet(refuse(world, failure.at("image"))));
    }
    match image.state {
        image::State::Ready => Ok(Found::Here(image)),
        image::State::Failed | image::State::Leaving => {
            let why = image.progress.failure.as_ref().map_or("it is being removed".into(), |f| f.to_string());
            let failure = Failure::new(
                ErrorKind::Permanent,
                format!("machine {}: waiting for image {name}", world.name()),
                why,
                "nothing was touched",
                format!("mend the image first: underlay explain image/{name}"),
            );
            Ok(Found::NotYet(refuse(world, failure.at("image"))))
        }
        image::State::Pending | image::State::Importing => {
            let reason = format!("image {name} is being imported");
            Ok(Found::NotYet(Step::wait(world.status(), reason, LATER).at(image.progress.amount)))
        }
    }
}

fn same_content(a: &str, b: &str) -> bool {
    a.split('@').nth(1) == b.split('@').nth(1)
}

/// What is known of the host must not speak against the spec: known before anything is wiped.
fn fits(world: &World<'_>, host: &Object<Host>, image: &Object<Image>) -> Result<(), Failure> {
    let Some(inventory) = &host.status.inventory else { return Ok(()) };
    let needed = image.status.virtual_size.unwrap_or_default();
    disks::choose(&inventory.disks, &world.spec().root, needed).map_err(|error| {
        Failure::new(
            ErrorKind::Invalid,
            format!("machine {}: choosing the root disk of host {}", world.name(), host.meta.key.name),
            error.to_string(),
            "no disk was touched",
            "change root, the image or the host and apply again",
        )
        .at("root")
    })?;
    if !inventory.arch.is_empty() && inventory.arch != image.spec.arch {
        let failure = Failure::new(
            ErrorKind::Invalid,
            format!("machine {}: matching image and host", world.name()),
            format!(
                "the image is for {}, host {} is {}",
                image.spec.arch, host.meta.key.name, inventory.arch
            ),
            "nothing was touched",
            "choose an image for that architecture",
        );
        return Err(failure.at("image"));
    }
    Ok(())
}

fn taken(world: &World<'_>, host: &Object<Host>, other: underlay_core::ObjectId) -> Failure {
    let who = host.status.machine.clone().unwrap_or_else(|| other.to_string());
    Failure::new(
        ErrorKind::Permanent,
        format!("machine {}: claiming host {}", world.name(), host.meta.key.name),
        format!("machine {who} has it"),
        "nothing was touched",
        "name another host, or destroy that machine first: underlay get hosts",
    )
    .at("host")
}

fn begin(world: &World<'_>, host: &Object<Host>) -> Step<Machine> {
    let object = &world.snapshot.object;
    let epoch = world.snapshot.now.as_microsecond().max(object.status.epoch + 1);
    let id = host.meta.id;
    let previous = previous(world);
    let run = Run {
        generation: world.generation(),
        epoch,
        host: id,
        target: Deployed::of(world.spec(), id, epoch),
        previous: previous.map(Box::new),
        phone_home: None,
    };
    let mut status = world.status();
    status.host = Some(id);
    status.epoch = epoch;
    status.host_name = Some(host.meta.key.name.to_string());
    let stay = Assignment { host: id, on_behalf_of: object.meta.id, epoch, task: Task::Stay };
    let by = identity::describe(&host.spec.identity);
    Step::advance(status, State::PoweringOff { run })
        .with(Effect::Claim { host: id })
        .with(Effect::Assign(stay))
        .with(Effect::Wake { id })
        .with(Effect::Note { text: format!("claimed host {} ({by})", host.meta.key.name) })
}

/// What ran before this deployment, if the machine comes from `Ready` through `Pending`.
fn previous(world: &World<'_>) -> Option<Deployed> {
    world.snapshot.object.status.deployed.clone()
}

fn refuse(world: &World<'_>, failure: Failure) -> Step<Machine> {
    let next = State::Failed { run: None, deployed: previous(world), generation: world.generation() };
    Step::failed(world.status(), next, failure)
}
