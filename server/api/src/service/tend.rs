//! What an operator wants done with a host: out of use, looked at anew, repaired.
//!
//! It is an observation like any other: it wakes the host, whose controller decides. What cannot be done to the host as it
//! stands is refused here, so that whoever asks is told at once.

use underlay_core::{
    ErrorKind, Failure, Kind, Object, State as _,
    host::{self, Driver, Host, Wish},
    observation::{Body, Observation, Source},
};
use underlay_proto::v1::{self as pb, tend_request};

use super::find::{Sought, find_living};
use crate::{auth::Caller, context::Context, convert::host as spelled, errors::Error, rules::Rules};

/// The longest reason, in bytes.
const REASON: usize = 512;

/// Keeps the wish of `caller`.
pub(super) async fn tend(
    context: &Context,
    caller: &Caller,
    request: pb::TendRequest,
) -> Result<pb::Host, Error> {
    let wish = wish(request.wish)?;
    let record = find_living(context, Kind::Host, &Sought::read(request.selector)?).await?;
    let key = record.raw.meta.key.clone();
    caller.trail.note_object(format_args!("host {key}"));
    let found = record.raw.decode::<Host>()?;
    caller.must_write(&key, &Host::pools(context, &key, None, Some(&found)).await?)?;
    let word = match &wish {
        Wish::Quarantine { reason } => format!("quarantine: {reason}"),
        Wish::Reinspect => "reinspect".into(),
        Wish::Repair => "repair".into(),
    };
    caller.trail.note_detail(&word);
    let holder = context.store.holder(found.meta.id).await?.filter(|holder| *holder != found.meta.id);
    let carries = holder.is_some().then(|| found.status.machine.clone().unwrap_or_else(|| "one".into()));
    if let Some((why, next)) = obstacle(&found, &wish, carries.as_deref()) {
        return Err(Error::Precondition(Box::new(Failure::new(
            ErrorKind::Invalid,
            format!("host {}: {word}", key.name),
            why,
            "nothing was changed",
            next,
        ))));
    }
    let at = underlay_core::clock::now();
    tracing::info!(host = %key, wish = word, caller = caller.name, "an operator wants something done with a host");
    let body = Body::Wished { wish, by: caller.name.clone(), at };
    context.store.observe(&Observation { id: found.meta.id, source: Source::Operator, at, body }).await?;
    Ok(spelled::message(&found))
}

fn wish(wish: Option<tend_request::Wish>) -> Result<Wish, Error> {
    match wish {
        Some(tend_request::Wish::Quarantine(quarantine)) => {
            let reason = quarantine.reason.trim().to_owned();
            if reason.is_empty() || reason.len() > REASON || reason.chars().any(char::is_control) {
                return Err(Error::field("quarantine.reason", format!("say why, in at most {REASON} bytes")));
            }
            Ok(Wish::Quarantine { reason })
        }
        Some(tend_request::Wish::Reinspect(_)) => Ok(Wish::Reinspect),
        Some(tend_request::Wish::Repair(_)) => Ok(Wish::Repair),
        None => Err(Error::field("wish", "say what is wanted: quarantine, reinspect or repair")),
    }
}

/// Why it cannot be done to the host as it stands, and what to do instead.
fn obstacle(host: &Object<Host>, wish: &Wish, carries: Option<&str>) -> Option<(String, String)> {
    let (name, phase) = (&host.meta.key.name, host.state.phase());
    let is = |next: String| Some((format!("it is {phase}"), next));
    let starts_it = !matches!(wish, Wish::Quarantine { .. });
    if host.meta.deleted_at.is_some() {
        return Some(("it is being destroyed".into(), "wait until it is gone".into()));
    }
    if starts_it && host.spec.driver == Driver::None {
        let next =
            format!("Give it a driver first: redfish, ipmi or manual = {{...}} in underlay_host.{name}");
        return Some(("nobody can switch it".into(), next));
    }
    if let Some(machine) = carries.filter(|_| starts_it) {
        let why = format!("it carries machine {machine}, and would be switched off");
        return Some((why, format!("Destroy machine {machine} first")));
    }
    match (wish, &host.state) {
        (Wish::Quarantine { .. }, host::State::Available | host::State::Tended { .. })
        | (Wish::Reinspect, host::State::Available)
        | (Wish::Repair, host::State::Quarantined { .. }) => None,
        (Wish::Quarantine { .. }, host::State::Quarantined { failure, .. }) => {
            is(format!("See why: {}", failure.why))
        }
        (Wish::Repair, host::State::Available) => is("It needs no repair; machines may have it".into()),
        (Wish::Reinspect, host::State::Quarantined { .. }) => {
            is(format!("Have it repaired, which looks at it too: underlay host repair {name}"))
        }
        _ => is(format!("Wait until it is at rest: underlay watch host/{name}")),
    }
}
