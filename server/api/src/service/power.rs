//! What only hosts have: switching them by hand, and the list of machines nobody has enrolled.

use std::time::Duration;

use underlay_core::{
    ErrorKind, Failure, Kind, Object, State as _,
    bmc::{self, CALL_LIMIT},
    host::{self, Driver, Host, Manual},
    machine::Machine,
};
use underlay_proto::v1 as pb;

use super::find::{Sought, find_living};
use crate::{
    auth::Caller, context::Context, convert::host as spelled, discovery, errors::Error, ports::PowerAction,
    rules::Rules,
};

/// The longest a request may take: off, on and a look, each a driver call.
const LIMIT: Duration = CALL_LIMIT.saturating_mul(3);

/// Switches a host.
pub(super) async fn power(
    context: &Context,
    caller: &Caller,
    request: pb::PowerRequest,
) -> Result<pb::Host, Error> {
    let action = match request.action() {
        pb::power_request::Action::On => PowerAction::On,
        pb::power_request::Action::Off => PowerAction::Off,
        pb::power_request::Action::Cycle => PowerAction::Cycle,
        pb::power_request::Action::Observe => PowerAction::Observe,
        pb::power_request::Action::Unspecified => {
            return Err(Error::field("action", "say what to do: on, off, cycle or observe"));
        }
    };
    let record = find_living(context, Kind::Host, &Sought::read(request.selector)?).await?;
    let key = record.raw.meta.key.clone();
    caller.trail.note_object(format_args!("host {key}"));
    let host = record.raw.decode::<Host>()?;
    caller.must_write(&key, &Host::pools(context, &key, None, Some(&host)).await?)?;
    caller.trail.note_detail(&format!("{action:?}").to_lowercase());
    if action != PowerAction::Observe {
        refuse_where_nobody_is_told(&host, action)?;
        refuse_while_deploying(context, &host).await?;
        // Whatever becomes of us then: that it was asked for is known.
        context.store.add_to_audit(caller.trail.entry("Begun")).await?;
    }
    tracing::info!(host = %host.meta.key, ?action, caller = caller.name, "switching a host by hand");
    let switched = tokio::time::timeout(LIMIT, context.ports.power.power(host.meta.id, action)).await;
    let failed = |why: String, kind| {
        let what = format!("host {}: switching its power", host.meta.key.name);
        let next = format!("See underlay explain host/{}", host.meta.key.name);
        Error::Precondition(Box::new(Failure::new(
            kind,
            what,
            why,
            "its power is as it was found last",
            next,
        )))
    };
    match switched {
        Ok(Ok(host)) => Ok(spelled::message(&host)),
        Ok(Err(error)) => Err(failed(in_full(&error), error.kind())),
        Err(_) => {
            Err(failed(format!("its driver took longer than {} s", LIMIT.as_secs()), ErrorKind::Transient))
        }
    }
}

/// What the driver said, with its causes: a person at the rack needs them, and they hold no secrets.
pub(super) fn in_full(error: &bmc::Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// A host that a person switches has no driver that could be asked to.
fn refuse_where_nobody_is_told(host: &Object<Host>, action: PowerAction) -> Result<(), Error> {
    let Driver::Manual(Manual { webhook: None, .. }) = &host.spec.driver else { return Ok(()) };
    let power = if action == PowerAction::On { bmc::Power::On } else { bmc::Power::Off };
    let somebody = host::awaited(host, power, None).unwrap_or_default();
    Err(Error::Precondition(Box::new(Failure::new(
        ErrorKind::Invalid,
        format!("host {}: switching its power", host.meta.key.name),
        "it has no driver: a person switches it",
        "its power was left alone",
        format!("Have {somebody}"),
    ))))
}

async fn refuse_while_deploying(context: &Context, host: &Object<Host>) -> Result<(), Error> {
    let Some(holder) = context.store.holder(host.meta.id).await? else { return Ok(()) };
    if holder == host.meta.id {
        return refuse_while_tended(host);
    }
    let Some(record) = context.store.get(holder).await? else { return Ok(()) };
    let machine = record.raw.decode::<Machine>()?;
    let is_between = machine.state.run().is_some() && !machine.state.is_settled();
    if !is_between {
        return Ok(());
    }
    let (name, machine_name) = (&host.meta.key.name, &machine.meta.key.name);
    Err(Error::Precondition(Box::new(Failure::new(
        ErrorKind::Invalid,
        format!("host {name}: switching its power"),
        format!("machine {machine_name} is being deployed on it ({})", machine.state.phase()),
        "its power was left alone",
        format!("Wait until it is ready: underlay watch machine/{machine_name}"),
    ))))
}

/// It holds itself: its agent is started on it, or it was set aside before it was clean.
fn refuse_while_tended(host: &Object<Host>) -> Result<(), Error> {
    let host::State::Tended { .. } = &host.state else { return Ok(()) };
    let (name, phase) = (&host.meta.key.name, underlay_core::State::phase(&host.state));
    Err(Error::Precondition(Box::new(Failure::new(
        ErrorKind::Invalid,
        format!("host {name}: switching its power"),
        format!("it is {phase}"),
        "its power was left alone",
        format!(
            "Wait until it is done: underlay watch host/{name}; or stop that: underlay host quarantine {name} --reason ..."
        ),
    ))))
}

/// The machines that reported without being enrolled, newest first.
pub(super) async fn list_discovered(
    context: &Context,
    request: &pb::ListDiscoveredRequest,
) -> Result<pb::ListDiscoveredResponse, Error> {
    let limit = match request.limit {
        0 => 100,
        limit => usize::try_from(limit)
            .ok()
            .filter(|limit| *limit <= 1000)
            .ok_or_else(|| Error::field("limit", "use 1 to 1000"))?,
    };
    let discovered = discovery::list(context, limit).await?;
    Ok(pb::ListDiscoveredResponse { discovered })
}
