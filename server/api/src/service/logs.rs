//! Logs: what agents said on a host or for a machine, cut to one operation where that is asked for.

use underlay_core::{Kind, ObjectId, host::Host};
use underlay_proto::v1 as pb;
use underlay_store::{
    Record,
    agent_log::{Of, Part},
};

use super::operations::any;
use crate::{
    auth::{Caller, Pools},
    context::Context,
    convert::object,
    errors::Error,
    rules::Rules,
};

/// What is kept of the object that is meant.
///
/// A serial port also says what the installed system says, so only those see it who may write the object.
pub(super) async fn logs(
    context: &Context,
    caller: &Caller,
    request: pb::LogsRequest,
) -> Result<pb::LogsResponse, Error> {
    let reference = request.object.ok_or_else(|| Error::field("object", "say which object is meant"))?;
    let record = any(context, reference).await?;
    let of = match record.raw.meta.kind {
        Kind::Host => Of::Host(record.id()),
        Kind::Machine => Of::Object(record.id()),
        kind => {
            return Err(Error::field(
                "object.kind",
                format!("no agent works on a {kind}; name a host or a machine"),
            ));
        }
    };
    let mut parts = context.store.agent_log(of).await?;
    if !request.operation.is_empty() {
        let within = span(context, &record, &request.operation).await?;
        parts.retain(|part| within.contains(&part.epoch));
    }
    let mut boots: Vec<pb::BootLog> = Vec::new();
    for part in parts {
        add(context, &mut boots, part).await?;
    }
    let mut response = pb::LogsResponse { boots, ..Default::default() };
    if request.serial {
        let key = &record.raw.meta.key;
        let pools = match record.raw.meta.kind {
            Kind::Host => {
                let host = record.raw.clone().decode::<Host>()?;
                Host::pools(context, key, None, Some(&host)).await?
            }
            _ => Pools::Untouched,
        };
        caller.must_write(key, &pools)?;
        serial(context, &record, &mut response).await?;
    }
    Ok(response)
}

/// The boots of an operation: each is numbered by the time at which it was asked for.
async fn span(context: &Context, record: &Record, id: &str) -> Result<std::ops::RangeInclusive<i64>, Error> {
    let id = id.parse().map_err(|_| Error::field("operation", "is not a UUID"))?;
    let found = context.store.operation(id).await?.filter(|found| found.object == record.id());
    let found =
        found.ok_or_else(|| Error::field("operation", "there is no such operation of this object"))?;
    let end = found.finished_at.map_or(i64::MAX, |at| at.as_microsecond());
    Ok(found.started_at.as_microsecond()..=end)
}

async fn add(context: &Context, boots: &mut Vec<pb::BootLog>, part: Part) -> Result<(), Error> {
    let host_id = part.host.to_string();
    let at = Some(object::timestamp(part.at));
    if let Some(boot) = boots.last_mut().filter(|boot| boot.epoch == part.epoch && boot.host_id == host_id) {
        boot.text.push_str(&part.text);
        boot.to = at;
        return Ok(());
    }
    let host = match context.store.get(part.host).await? {
        Some(host) => host.raw.meta.key.name.to_string(),
        None => String::new(),
    };
    boots.push(pb::BootLog { host_id, host, epoch: part.epoch, from: at, to: at, text: part.text });
    Ok(())
}

/// Adds what the host's serial port says.
async fn serial(context: &Context, record: &Record, response: &mut pb::LogsResponse) -> Result<(), Error> {
    let host: Option<ObjectId> = match record.raw.meta.kind {
        Kind::Host => Some(record.id()),
        _ => context.store.claim(record.id()).await?,
    };
    let Some(host) = host else {
        response.serial_missing = "the machine has no host".into();
        return Ok(());
    };
    match context.ports.power.serial(host).await {
        Ok(Some(text)) => response.serial = text,
        Ok(None) => response.serial_missing = "the driver of this host does not see its serial port".into(),
        Err(error) => response.serial_missing = underlay_core::because(&error),
    }
    Ok(())
}
