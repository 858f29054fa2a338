//! Explain: where an object stands, since when, why, and what to do; everything the server knows of it in one answer.

use underlay_core::{
    Kind,
    host::Host,
    machine::Machine,
    observation::{Observation, Source},
};
use underlay_proto::v1 as pb;
use underlay_store::Record;

use super::advice;
use crate::{
    context::Context,
    convert::{object, operation, step},
    errors::Error,
    rules,
};

/// Lines of history, operations and users that are told.
const EVENTS: usize = 20;
const OPERATIONS: usize = 5;
const USERS: usize = 20;

/// Tells what is known of an object; with `values` also those of a machine's attributes.
pub(super) async fn explain(
    context: &Context,
    record: &Record,
    values: bool,
) -> Result<pb::Explanation, Error> {
    let (store, id, meta) = (&context.store, record.id(), &record.raw.meta);
    let mut operations = Vec::new();
    for listed in store.operations(Some(id), OPERATIONS).await? {
        let listed = store.operation(listed.id).await?.unwrap_or(listed);
        operations.push(operation::operation(&listed, Some(&meta.key)));
    }
    let mut events = store.latest_events(id, EVENTS).await?;
    events.reverse();
    let related = related(context, record).await?;
    let mut seen = store.observations(id).await?;
    // What the agent sees of a machine, it sees of its host.
    for host in related.iter().filter(|(other, _)| meta.kind == Kind::Machine && is_host(other)) {
        seen.extend(store.observations(host.0.id()).await?);
    }
    seen.sort_by_key(|seen| std::cmp::Reverse(seen.at));
    let (values, value_errors) = match values && meta.kind == Kind::Machine {
        true => attributes(context, record).await?,
        false => Default::default(),
    };
    let others: Vec<&Record> = related.iter().map(|(other, _)| other).collect();
    let advice = advice::advice(record, &others, &seen)?;
    Ok(pb::Explanation {
        meta: Some(object::meta(meta)),
        standing: Some(operation::standing(record)),
        operations,
        events: events.iter().map(operation::event).collect(),
        evidence: evidence(record, &seen)?,
        related: related.iter().map(|(other, attribute)| spell(other, attribute)).collect(),
        advice,
        values,
        value_errors,
    })
}

/// What was seen, newest first, and what became of a machine's steps.
fn evidence(record: &Record, seen: &[Observation]) -> Result<Vec<pb::Evidence>, Error> {
    // What was told of the last try stands in its step's record.
    let seen = seen.iter().filter(|seen| seen.source != Source::Step);
    let mut evidence: Vec<_> = seen.map(operation::evidence).collect();
    if record.raw.meta.kind == Kind::Machine {
        let machine = record.raw.clone().decode::<Machine>()?;
        evidence.extend(machine.status.steps.iter().map(step::evidence));
    }
    Ok(evidence)
}

/// The attributes of a machine, each with who gives it, as a deployment of now would inject them.
async fn attributes(
    context: &Context,
    record: &Record,
) -> Result<(Vec<pb::AttributeValue>, Vec<pb::FieldError>), Error> {
    let machine = record.raw.clone().decode::<Machine>()?;
    let host = match (&machine.spec.host, context.store.claim(record.id()).await?) {
        (_, Some(held)) => context.store.get(held).await?,
        (Some(name), None) => context.store.resolve(&machine.meta.key, Kind::Host, name).await?,
        (None, None) => None,
    };
    let host = host.map(|host| host.raw.decode::<Host>()).transpose()?;
    let inheritance = context.inheritance(&machine.meta.key, &machine.spec, host.as_ref()).await?;
    let (resolved, faults) = inheritance.resolve(&machine.spec);
    let values = resolved.0.into_iter().map(|(name, given)| pb::AttributeValue {
        name,
        r#type: given.ty.to_string(),
        secret: given.secret,
        declared_by: given.declared_by,
        origin: given.from.map(|origin| origin.to_string()).unwrap_or_default(),
        value: given.value.map(|value| value.to_string()).unwrap_or_default(),
        secret_version: given.version,
    });
    Ok((values.collect(), object::fields(&faults)))
}

fn is_host(record: &Record) -> bool {
    record.raw.meta.kind == Kind::Host
}

/// What it names, who names it, and who has it.
async fn related(context: &Context, record: &Record) -> Result<Vec<(Record, String)>, Error> {
    let meta = &record.raw.meta;
    let mut related: Vec<(Record, String)> = Vec::new();
    for reference in rules::references(&record.raw)? {
        if let Some(named) = context.store.resolve(&meta.key, reference.kind, &reference.name).await? {
            related.push((named, reference.attribute));
        }
    }
    if meta.kind == Kind::Host
        && let Some(holder) = context.store.holder(record.id()).await?.filter(|holder| *holder != record.id())
        && let Some(machine) = context.store.get(holder).await?
    {
        related.push((machine, "host".into()));
    }
    for (user, attribute) in rules::users(context, meta, USERS).await? {
        if related.iter().all(|(known, _)| known.id() != user.id()) {
            related.push((user, attribute));
        }
    }
    Ok(related)
}

fn spell(record: &Record, attribute: &str) -> pb::Related {
    let meta = &record.raw.meta;
    pb::Related {
        kind: meta.kind.to_string(),
        key: Some(object::key_message(&meta.key)),
        attribute: attribute.to_owned(),
        phase: record.phase.clone(),
        failure: record.raw.progress.failure.as_ref().map(object::failure),
    }
}
