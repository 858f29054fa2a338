//! A person's word on a host that is switched by hand: it is on, or off, now.
//!
//! It is an observation like any other: it wakes the host and the machine that holds it, and moves no state by itself. A
//! host whose driver can be asked is not confirmed by anybody.

use underlay_core::{
    ErrorKind, Failure, Kind,
    bmc::Power,
    host::{Driver, Host},
    observation::{Body, Observation, Source},
};
use underlay_proto::v1 as pb;

use super::find::{Sought, find_living};
use crate::{auth::Caller, context::Context, convert::host, errors::Error, rules::Rules};

/// Keeps the word of `caller`.
pub(super) async fn confirm(
    context: &Context,
    caller: &Caller,
    request: pb::ConfirmRequest,
) -> Result<pb::Host, Error> {
    let power = match request.power.as_str() {
        "on" => Power::On,
        "off" => Power::Off,
        _ => return Err(Error::field("power", "say how the host is: on or off")),
    };
    let record = find_living(context, Kind::Host, &Sought::read(request.selector)?).await?;
    let key = record.raw.meta.key.clone();
    caller.trail.note_object(format_args!("host {key}"));
    let mut found = record.raw.decode::<Host>()?;
    caller.must_write(&key, &Host::pools(context, &key, None, Some(&found)).await?)?;
    caller.trail.note_detail(&request.power);
    if !matches!(found.spec.driver, Driver::Manual(_)) {
        return Err(Error::Precondition(Box::new(Failure::new(
            ErrorKind::Invalid,
            format!("host {}: confirming its power", key.name),
            format!("its driver is {}, which is asked itself", found.spec.driver.word()),
            "nothing was changed",
            format!("Ask it: underlay power observe host/{}", key.name),
        ))));
    }
    let at = underlay_core::clock::now();
    let body = Body::Confirmed { power, by: caller.name.clone(), at };
    tracing::info!(host = %key, ?power, caller = caller.name, "a host was confirmed by hand");
    context.store.observe(&Observation { id: found.meta.id, source: Source::Person, at, body }).await?;
    found.status.power = Some(power);
    Ok(host::message(&found))
}
