//! What must hold before anything is touched, asked once with what is known and again with what the agent found: the
//! image is whole and the one that was meant, and the host can take it.

use underlay_core::{
    Amount, Bytes, ErrorKind, Failure, Kind,
    agent::{Disk, Inventory},
    disks,
    image::{self, Image, SeedFormat, Sha256},
    machine::volume::{self, Resolved},
};

use super::world::World;

/// An answer to what a machine needs.
pub(super) enum Need<T> {
    /// It is there.
    Met(T),
    /// It is on its way; a sentence says what is waited for.
    NotYet(String, Option<Amount>),
    /// It is not there, and waiting brings nothing.
    Unmet(Failure),
}

/// An image in the store, ready to be written.
pub(super) struct Ready {
    pub(super) sha256: Sha256,
    pub(super) arch: String,
    /// The least a disk must have.
    pub(super) size: Bytes,
    pub(super) manifest_digest: String,
    pub(super) seed: SeedFormat,
}

/// The image that `wanted` (`NAME@sha256:HEX`) means, if it still has that content.
pub(super) async fn image(world: &World<'_>, wanted: &str) -> Result<Need<Ready>, Failure> {
    let name = wanted.split('@').next().unwrap_or_default();
    let key = &world.snapshot.object.meta.key;
    let unmet = |kind, why: String, next: String| {
        let what = format!("machine {}: finding its image", world.name());
        Need::Unmet(Failure::new(kind, what, why, "nothing was written to a disk", next).at("image"))
    };
    let raw = world.view.by_name(key, Kind::Image, name).await.map_err(|error| world.unreadable(&error))?;
    let Some(raw) = raw else {
        let why = format!("there is no image \"{name}\" in site {}", key.site);
        let next = "write image = underlay_image.NAME.id, so that the image is there first";
        return Ok(unmet(ErrorKind::Invalid, why, next.into()));
    };
    let image = raw.decode::<Image>().map_err(|error| world.unreadable(&error))?;
    let present = image.spec.reference(&image.meta.key.name);
    if content(&present) != content(wanted) {
        let next = "write image = underlay_image.NAME.id, so that both change together";
        let why = format!("image {name} is {present} now");
        return Ok(unmet(ErrorKind::Invalid, why, next.into()));
    }
    let next = format!("mend the image first: underlay explain image/{name}");
    Ok(match image.state {
        _ if image.meta.deleted_at.is_some() => {
            unmet(ErrorKind::Permanent, format!("image {name} is being removed"), next)
        }
        image::State::Ready => match (image.status.virtual_size, image.status.manifest_digest) {
            (Some(size), Some(manifest_digest)) => {
                let image::Spec { sha256, arch, seed, .. } = image.spec;
                Need::Met(Ready { sha256, arch, size, manifest_digest, seed })
            }
            _ => unmet(ErrorKind::Permanent, format!("image {name} has no manifest"), next),
        },
        image::State::Failed => {
            let failure =
                image.progress.failure.map(|failure| format!(": {}: {}", failure.what, failure.why));
            let why = format!("image {name} could not be imported{}", failure.unwrap_or_default());
            unmet(ErrorKind::Permanent, why, next)
        }
        image::State::Leaving => unmet(ErrorKind::Permanent, format!("image {name} is being removed"), next),
        image::State::Pending | image::State::Importing => {
            Need::NotYet(format!("image {name} is being imported"), image.progress.amount)
        }
    })
}

/// The `sha256:HEX` of an image's reference.
fn content(reference: &str) -> Option<&str> {
    reference.split_once('@').map(|(_, content)| content)
}

/// The disk of the host of that `inventory` onto which the image goes.
pub(super) fn disk<'a>(
    world: &World<'_>,
    host: &str,
    inventory: &'a Inventory,
    image: &Ready,
) -> Need<&'a Disk> {
    if !inventory.arch.is_empty() && inventory.arch != image.arch {
        let failure = Failure::new(
            ErrorKind::Invalid,
            format!("machine {}: matching image and host", world.name()),
            format!("the image is for {}, host {host} is {}", image.arch, inventory.arch),
            "no disk was touched",
            "choose an image for that architecture and apply again",
        );
        return Need::Unmet(failure.at("image"));
    }
    match disks::choose(&inventory.disks, &world.spec().root, image.size) {
        Ok(disk) => Need::Met(disk),
        Err(error) => Need::Unmet(
            Failure::new(
                ErrorKind::Invalid,
                format!("machine {}: choosing the root disk of host {host}", world.name()),
                error.to_string(),
                "no disk was touched",
                "change root, the image or the host and apply again",
            )
            .at("root"),
        ),
    }
}

/// The disks of the machine's volumes among those of the host, by serial number. None of them is `root`.
pub(super) fn volumes(world: &World<'_>, host: &str, inventory: &Inventory, root: &Disk) -> Need<Resolved> {
    match volume::resolve(&world.spec().volumes, &inventory.disks, root) {
        Ok(resolved) => Need::Met(resolved),
        Err(error) => Need::Unmet(
            Failure::new(
                ErrorKind::Invalid,
                format!("machine {}: choosing the disks of its volumes on host {host}", world.name()),
                underlay_core::because(&error),
                "no disk was touched",
                "change volumes or the host and apply again",
            )
            .at("volumes"),
        ),
    }
}
