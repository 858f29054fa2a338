//! The rules of machines: what an apply may disrupt, and whether the host it names can have it.
//!
//! The disruption is [`underlay_core::machine::plan`] and nothing else; here it is held against `allow_disruption`, the
//! host's protection, and the claim.

use async_trait::async_trait;
use underlay_core::{
    ErrorKind, Failure, FieldError, Key, Kind, Meta, Object,
    host::{self, Host},
    image::Image,
    machine::{Change, Deployed, Disruption, Machine, Spec, State, USER_DATA, plan},
    profile::SecretValues,
};

use super::{Assessment, Rules, SecretDigest, fit, prospect, references, standing, steps, trust};
use crate::{auth::Pools, context::Context, errors::Error};

#[async_trait]
impl Rules for Machine {
    const SECRET: Option<&'static str> = Some(USER_DATA);

    fn note_secret(spec: &mut Spec, digest: SecretDigest, existing: Option<&Spec>) {
        let stored = existing.and_then(|existing| existing.user_data_digest.clone());
        spec.user_data_digest = match digest {
            SecretDigest::Kept => stored,
            SecretDigest::KeptOrClaimed => spec.user_data_digest.take().or(stored),
            SecretDigest::New(digest) => Some(digest),
            SecretDigest::None => None,
        };
    }

    fn secret_values(spec: &mut Spec) -> Option<&mut Option<SecretValues>> {
        Some(&mut spec.secret_values)
    }

    /// Those of the host it wants and of the host it has.
    async fn pools(
        context: &Context,
        key: &Key,
        spec: Option<&Spec>,
        existing: Option<&Object<Machine>>,
    ) -> Result<Pools, Error> {
        let mut pools = Vec::new();
        if let Some(spec) = spec {
            pools.extend(wanted(context, key, spec).await?);
        }
        let present = existing.and_then(|machine| machine.status.host);
        if let Some(id) = present
            && let Some(record) = context.store.get(id).await?
        {
            pools.push(record.raw.decode::<Host>()?.spec.pool);
        }
        if pools.is_empty()
            && let Some(machine) = existing
        {
            pools.extend(wanted(context, key, &machine.spec).await?);
        }
        Ok(Pools::named(pools.iter().map(String::as_str)))
    }

    fn deployed(machine: &Object<Machine>) -> (i64, String) {
        on_disk(machine)
            .map(|deployed| (deployed.epoch, serde_json::to_string(&deployed.digests).unwrap_or_default()))
            .unwrap_or_default()
    }

    async fn assess(
        context: &Context,
        key: &Key,
        spec: &Spec,
        existing: Option<&Object<Machine>>,
    ) -> Result<Assessment, Error> {
        let deployed = existing.and_then(on_disk);
        let host = host(context, key, spec, existing).await?;
        let inheritance = context.inheritance(key, spec, host.as_ref()).await?;
        let change = plan(spec, inheritance.digest(spec).as_deref(), deployed);
        let mut assessment = Assessment {
            disruption: change.disruption,
            pending: change.pending.clone(),
            errors: references::missing::<Machine>(context, key, spec).await?,
            ..Assessment::default()
        };
        // What is missing was said already.
        assessment.errors.retain(|fault| !context.planned.brings(fault, spec));
        if inheritance.missing.is_empty() {
            assessment.errors.extend(inheritance.resolve(spec).1);
        }
        steps::judge(context, (key, spec), host.as_ref(), &inheritance.resolve(spec).0, &mut assessment)
            .await?;
        steps::announce(spec, deployed, &mut assessment);
        if let Some(fault) = moving(key, spec, existing) {
            assessment.disruption = Disruption::Move;
            assessment.errors.push(fault);
            return Ok(assessment);
        }
        assessment.blocks.extend(fence(key, spec, &change));
        if spec.stands() {
            assessment.errors.extend(standing::faults(deployed, host.as_ref(), &inheritance));
            if let Some(host) = &host {
                assessment.blocks.extend(occupied(context, key, host, existing.map(|it| it.meta.id)).await?);
            }
            return Ok(assessment);
        }
        let image = read::<Image>(context, key, Kind::Image, image_name(spec)).await?;
        if let Some(image) = &image {
            assessment.errors.extend(other_content(spec, image));
        }
        let writes = deployed.is_none() || change.disruption >= Disruption::EraseRoot;
        if let Some(host) = &host {
            let id = existing.map(|machine| machine.meta.id);
            if spec.host.is_some() {
                assessment.blocks.extend(occupied(context, key, host, id).await?);
            }
            if writes {
                assessment.blocks.extend(closed(host));
                assessment.blocks.extend(trust::untrusted(context, host).await?);
                fit::judge(spec, host, image.as_ref(), &mut assessment);
            }
        }
        Ok(assessment)
    }

    /// A machine that has no host yet is told whether there is one for it.
    async fn outlook(
        context: &Context,
        key: &Key,
        spec: &Spec,
        existing: Option<&Object<Machine>>,
    ) -> Result<Vec<FieldError>, Error> {
        let Some(require) = &spec.require else { return Ok(Vec::new()) };
        if moving(key, spec, existing).is_some() || host(context, key, spec, existing).await?.is_some() {
            return Ok(Vec::new());
        }
        Ok(prospect::warn(context, key, spec, require).await?.into_iter().collect())
    }

    async fn keeps(context: &Context, machine: &Object<Machine>) -> Result<Option<Failure>, Error> {
        let Some(host) = host(context, &machine.meta.key, &machine.spec, Some(machine)).await? else {
            return Ok(None);
        };
        let holds = context.store.holder(host.meta.id).await? == Some(machine.meta.id);
        // A system that was taken as it stands is let go as it stands.
        let holds =
            holds && !on_disk(machine).is_some_and(|it| it.stands() && it.epoch == machine.status.epoch);
        if !holds || !host.spec.protected {
            return Ok(None);
        }
        let (name, host) = (&machine.meta.key.name, &host.meta.key.name);
        let failure = Failure::new(
            ErrorKind::Invalid,
            format!("deleting machine {name}"),
            format!("its host {host} is protected"),
            "nothing was deleted",
            format!("Write protected = false in underlay_host.{host} and apply that first"),
        );
        Ok(Some(failure))
    }
}

/// The pool of the host it names, or the pool it asks for one.
async fn wanted(context: &Context, key: &Key, spec: &Spec) -> Result<Option<String>, Error> {
    let Some(name) = &spec.host else { return Ok(spec.require.as_ref().map(|require| require.pool.clone())) };
    Ok(read::<Host>(context, key, Kind::Host, name).await?.map(|host| host.spec.pool))
}

/// The host that is named, or that the machine has.
async fn host(
    context: &Context,
    key: &Key,
    spec: &Spec,
    existing: Option<&Object<Machine>>,
) -> Result<Option<Object<Host>>, Error> {
    if let Some(name) = &spec.host {
        return read::<Host>(context, key, Kind::Host, name).await;
    }
    let Some(machine) = existing else { return Ok(None) };
    let Some(held) = context.store.claim(machine.meta.id).await? else { return Ok(None) };
    Ok(context.store.get(held).await?.map(|record| record.raw.decode::<Host>()).transpose()?)
}

pub(super) async fn read<N: underlay_core::Noun>(
    context: &Context,
    key: &Key,
    kind: Kind,
    name: &str,
) -> Result<Option<Object<N>>, Error> {
    let found = context.store.resolve(key, kind, name).await?;
    Ok(found.map(|record| record.raw.decode::<N>()).transpose()?)
}

/// What is on the machine's disk. While a redeploy waits to begin the state says nothing of it and the status does: the
/// fence stays closed until the first byte is written.
fn on_disk(machine: &Object<Machine>) -> Option<&Deployed> {
    machine.state.deployed().or(machine.status.deployed.as_ref())
}

fn image_name(spec: &Spec) -> &str {
    spec.image.split('@').next().unwrap_or_default()
}

/// Another host than the one the machine is on, or is being put onto.
fn moving(key: &Key, spec: &Spec, existing: Option<&Object<Machine>>) -> Option<FieldError> {
    let machine = existing?;
    let settled_on_nothing = machine.state == State::Pending && machine.status.host.is_none();
    if settled_on_nothing {
        return None;
    }
    let named = on_disk(machine).map(|deployed| &deployed.host_name).or(machine.spec.host.as_ref());
    let present = named.or(machine.status.host_name.as_ref())?;
    if spec.stays_on(present) {
        return None;
    }
    let wanted = spec.host.as_deref().unwrap_or_default();
    let name = &key.name;
    Some(FieldError::new(
        "host",
        format!(
            "machine {name} is on host {present}, and moving a machine to another host in place is not supported yet; \
             write host = \"{present}\", or install it anew on {wanted}: terraform apply -replace=underlay_machine.{name}"
        ),
    ))
}

/// More than the user allows.
fn fence(key: &Key, spec: &Spec, change: &Change) -> Option<FieldError> {
    if change.disruption <= spec.allow_disruption {
        return None;
    }
    let because: Vec<_> = change.because.iter().map(|aspect| aspect.as_str()).collect();
    let because = match because.as_slice() {
        [] => "redeploy.generation was raised".to_owned(),
        changed => format!("{} changed", changed.join(" and ")),
    };
    let (name, needed, allowed) = (&key.name, change.disruption, spec.allow_disruption);
    Some(FieldError::new(
        "allow_disruption",
        format!(
            "{because}, which causes disruption \"{needed}\" to machine {name}; \"{allowed}\" is allowed. To let it \
             happen write allow_disruption = \"{needed}\""
        ),
    ))
}

/// The reference names content that the image does not have.
fn other_content(spec: &Spec, image: &Object<Image>) -> Option<FieldError> {
    let wanted = spec.image.rsplit(':').next().unwrap_or_default();
    if image.spec.sha256.to_string() == wanted {
        return None;
    }
    let name = &image.meta.key.name;
    let message = format!(
        "image {name} is {} by now; write image = underlay_image.{name}.id",
        image.spec.reference(name)
    );
    Some(FieldError::new("image", message))
}

/// Somebody else has the host.
async fn occupied(
    context: &Context,
    key: &Key,
    host: &Object<Host>,
    machine: Option<underlay_core::ObjectId>,
) -> Result<Option<FieldError>, Error> {
    let name = &host.meta.key.name;
    let holder = context.store.holder(host.meta.id).await?;
    // One that is being cleaned holds itself, and is waited for.
    if let Some(holder) = holder.filter(|holder| *holder != host.meta.id) {
        if Some(holder) == machine {
            return Ok(None);
        }
        let other = context.store.get(holder).await?.map(|record| record.raw.meta);
        return Ok(Some(taken(name, other.as_ref())));
    }
    // Nobody has claimed it yet, but who was there first will.
    for (record, _) in references::users(context, &host.meta, 8).await? {
        let meta = &record.raw.meta;
        let first = machine.is_none_or(|own| meta.id < own);
        if Some(meta.id) != machine && meta.key != *key && first && meta.deleted_at.is_none() {
            return Ok(Some(taken(name, Some(meta))));
        }
    }
    Ok(None)
}

fn taken(host: &underlay_core::Name, by: Option<&Meta>) -> FieldError {
    let by = match by {
        Some(meta) => format!("machine {} (owner {})", meta.key.name, meta.key.owner),
        None => "another machine".into(),
    };
    FieldError::new(
        "host",
        format!("host {host} is claimed by {by}; name another host, or destroy that machine first"),
    )
}

/// The host lets nobody write to it.
fn closed(host: &Object<Host>) -> Option<FieldError> {
    let name = &host.meta.key.name;
    if host.spec.protected {
        let message = format!(
            "host {name} is protected; to let it be installed write protected = false in underlay_host.{name} and \
             apply that first"
        );
        return Some(FieldError::new("host", message));
    }
    if host.spec.driver == host::Driver::None {
        let message = format!(
            "host {name} was adopted and nobody can switch it; give it a driver first: redfish, ipmi or manual = {{...}} in \
             underlay_host.{name} in place of none"
        );
        return Some(FieldError::new("host", message));
    }
    match &host.state {
        host::State::Quarantined { failure, .. } => {
            let message = format!(
                "host {name} is quarantined: {}; repair it, then clear it: underlay host clear {name}",
                failure.why
            );
            Some(FieldError::new("host", message))
        }
        host::State::Leaving => Some(FieldError::new("host", format!("host {name} is being deleted"))),
        host::State::Enrolling | host::State::Available | host::State::Tended { .. } => None,
    }
}
