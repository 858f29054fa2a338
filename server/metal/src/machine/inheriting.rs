//! What the machine inherits from its profiles, its pool and its site: by its digest, and with its secrets when it is
//! deployed.

use std::collections::{BTreeMap, btree_map::Entry};

use secrecy::ExposeSecret;
use underlay_core::{
    ErrorKind, Failure, FieldError, Object, ObjectId, SecretString,
    host::Host,
    profile::{Inheritance, Origin, SECRET_VALUES, Values},
};

use super::world::World;
use crate::seed::{Attributes, File};

/// What it inherits on `host`; nothing is read for a machine without profiles.
pub(super) async fn inheritance(
    world: &World<'_>,
    host: Option<&Object<Host>>,
) -> Result<Inheritance, Failure> {
    let object = &world.snapshot.object;
    Inheritance::gather(world.view, &object.meta.key, &object.spec, host)
        .await
        .map_err(|error| world.unreadable(&error))
}

/// Why it cannot be deployed with what it is given by now.
pub(super) fn unfit(world: &World<'_>, inheritance: &Inheritance) -> Option<Failure> {
    let (_, faults) = inheritance.resolve(world.spec());
    let first = faults.first()?;
    let why: Vec<String> = faults.iter().take(5).map(|fault| fault.message.clone()).collect();
    Some(failed(world, why.join("; "), first))
}

fn failed(world: &World<'_>, why: String, at: &FieldError) -> Failure {
    let name = world.name();
    Failure::new(
        ErrorKind::Invalid,
        format!("machine {name}: its attributes"),
        why,
        "no byte was written",
        format!("give them what they need and apply again; underlay explain machine/{name} --values shows who gives what"),
    )
    .at(&at.attribute)
}

/// The attributes and files that are injected, with the secrets among them.
pub(super) async fn attributes(world: &World<'_>, inheritance: &Inheritance) -> Result<Attributes, Failure> {
    let spec = world.spec();
    let (resolved, faults) = inheritance.resolve(spec);
    if let Some(first) = faults.first() {
        return Err(failed(world, first.message.clone(), first));
    }
    let mut attributes = Attributes::default();
    let mut opened: BTreeMap<ObjectId, Values> = BTreeMap::new();
    for (name, given) in resolved.0 {
        if !given.secret {
            attributes.values.extend(given.value.map(|value| (name, value)));
            continue;
        }
        let sealed_under = match given.from {
            Some(Origin::Machine) => world.snapshot.object.meta.id,
            Some(Origin::Profile(id, _)) => id,
            Some(Origin::Pool(_) | Origin::Site(_)) | None => continue,
        };
        let sealed = match opened.entry(sealed_under) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(open(world, sealed_under).await?),
        };
        let value = sealed.get(&name).cloned();
        let value = value.ok_or_else(|| {
            let fault =
                FieldError::new("profiles", format!("the secret value of {name:?} is not in the store"));
            failed(world, format!("{fault}; write it again with a new secret_values_version"), &fault)
        })?;
        attributes.secrets.insert(name, value.to_string().into());
    }
    for (path, profile, file) in inheritance.files() {
        let content = attributes.fill(file).map_err(|why| {
            let fault = FieldError::new("profiles", format!("profile {profile}, file {path:?}: {why}"));
            failed(world, fault.message.clone(), &fault)
        })?;
        let (path, mode, owner) = (path.to_owned(), file.mode.clone(), file.owner.clone());
        attributes.files.push(File { path, content, mode, owner });
    }
    Ok(attributes)
}

/// The values that are sealed under an object.
async fn open(world: &World<'_>, id: ObjectId) -> Result<Values, Failure> {
    let sealed = world.view.secret(id, SECRET_VALUES).await.map_err(|error| world.unreadable(&error))?;
    let text = sealed.unwrap_or_else(|| SecretString::from(String::new()));
    Ok(serde_json::from_str(text.expose_secret()).unwrap_or_default())
}
