//! What a host's screen shows. It can show a secret, so it goes to who may switch the host, each look is in the audit, and none
//! is kept.

use underlay_core::{Failure, Kind, host::Host};
use underlay_proto::v1 as pb;

use super::find::{Sought, find_living};
use crate::{auth::Caller, context::Context, errors::Error, rules::Rules};

/// Asks the host's BMC.
pub(super) async fn screenshot(
    context: &Context,
    caller: &Caller,
    request: pb::ScreenshotRequest,
) -> Result<pb::ScreenshotResponse, Error> {
    let record = find_living(context, Kind::Host, &Sought::read(request.selector)?).await?;
    let key = record.raw.meta.key.clone();
    caller.trail.note_object(format_args!("host {key}"));
    let host = record.raw.decode::<Host>()?;
    caller.must_write(&key, &Host::pools(context, &key, None, Some(&host)).await?)?;
    let taken = context.ports.power.screenshot(host.meta.id).await;
    let png = taken.map_err(|error| {
        Error::Precondition(Box::new(Failure::new(
            error.kind(),
            format!("host {}: looking at its screen", key.name),
            underlay_core::because(&error),
            "nothing was changed",
            format!("for what its serial port says: underlay logs host/{} --serial", key.name),
        )))
    })?;
    Ok(pb::ScreenshotResponse { png })
}
