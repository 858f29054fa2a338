//! Does what a spec names exist, and who names an object.

use underlay_core::{
    Bond, ErrorKind, Failure, FieldError, Key, Kind, Meta, Noun, Reference, Spec, host::Host,
    machine::Machine, pool::Pool, step::Step, view::RawObject,
};
use underlay_store::Record;

use crate::{context::Context, errors::Error};

/// Objects that may name another by its name alone, and are looked at to see whether they do.
const CANDIDATES: usize = 1000;

/// A fault for each thing that `spec` names and that is not there.
pub(super) async fn missing<N: Noun>(
    context: &Context,
    key: &Key,
    spec: &N::Spec,
) -> Result<Vec<FieldError>, Error> {
    let mut faults = Vec::new();
    for reference in spec.references().into_iter().filter(|it| it.bond == Bond::Needs) {
        if context.store.resolve(key, reference.kind, &reference.name).await?.is_none() {
            faults.push(unknown(key, &reference));
        }
    }
    Ok(faults)
}

fn unknown(key: &Key, reference: &Reference) -> FieldError {
    let (kind, name) = (reference.kind, &reference.name);
    let message = if name.contains('/') {
        format!("there is no {kind} \"{name}\" in site {}", key.site)
    } else {
        format!(
            "there is no {kind} \"{name}\" of owner {} in site {}, nor exactly one of another owner; create it, or \
             write \"OWNER/{name}\"",
            key.owner, key.site
        )
    };
    FieldError::new(&reference.attribute, message)
}

/// The living objects that name the object of `meta`, at most `limit` of them, oldest first, each with the attribute
/// that does.
pub(crate) async fn users(
    context: &Context,
    meta: &Meta,
    limit: usize,
) -> Result<Vec<(Record, String)>, Error> {
    let mut users = Vec::new();
    for record in context.store.dependents(meta.kind, &meta.key, CANDIDATES).await? {
        if let Some(attribute) = names(context, &record, meta).await? {
            users.push((record, attribute));
        }
        if users.len() >= limit {
            break;
        }
    }
    Ok(users)
}

/// The attribute by which `record` names the object of `meta`.
async fn names(context: &Context, record: &Record, meta: &Meta) -> Result<Option<String>, Error> {
    for reference in references(&record.raw)? {
        let name = reference.name.rsplit('/').next().unwrap_or_default();
        if reference.kind != meta.kind || name != meta.key.name.as_str() {
            continue;
        }
        let meant = context.store.resolve(&record.raw.meta.key, meta.kind, &reference.name).await?;
        if meant.is_some_and(|meant| meant.id() == meta.id) {
            return Ok(Some(reference.attribute));
        }
    }
    Ok(None)
}

/// What an object names.
pub(crate) fn references(raw: &RawObject) -> Result<Vec<Reference>, Error> {
    Ok(match raw.meta.kind {
        Kind::Host => raw.clone().decode::<Host>()?.spec.references(),
        Kind::Machine => raw.clone().decode::<Machine>()?.spec.references(),
        Kind::Pool => raw.clone().decode::<Pool>()?.spec.references(),
        Kind::Step => raw.clone().decode::<Step>()?.spec.references(),
        Kind::Site | Kind::Network | Kind::Credential | Kind::Image | Kind::Profile => Vec::new(),
    })
}

/// The failure of a Delete of what somebody still names.
pub(super) async fn still_used(context: &Context, meta: &Meta) -> Result<Option<Failure>, Error> {
    let users = users(context, meta, 4).await?;
    if users.is_empty() {
        return Ok(None);
    }
    let named: Vec<_> = users
        .iter()
        .take(3)
        .map(|(record, attribute)| {
            let meta = &record.raw.meta;
            format!("{} {} (owner {}) by its {attribute}", meta.kind, meta.key.name, meta.key.owner)
        })
        .collect();
    let more = if users.len() > 3 { " and more" } else { "" };
    Ok(Some(Failure::new(
        ErrorKind::Invalid,
        format!("deleting {} {}", meta.kind, meta.key.name),
        format!("it is in use: {}{more}", named.join(", ")),
        "nothing was deleted",
        "Destroy what uses it, or let it use something else, then delete it",
    )))
}
