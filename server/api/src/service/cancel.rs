//! Cancelling: the wish to stop a machine's operation is written down; the machine's controller grants it at the next
//! safe point, whatever holds it back meanwhile.
//!
//! Once the agent has its work, something may have been written: then the wish needs force, because what was on the disk
//! is lost and what comes onto it will not start.

use underlay_core::{
    Cancellation, ErrorKind, Failure, Kind, State as _,
    cancellation::Until,
    machine::{Machine, State},
};
use underlay_proto::v1 as pb;
use underlay_store::Record;

use super::operations::any;
use crate::{auth::Caller, context::Context, convert::operation, errors::Error, rules::Rules};

/// The longest reason, in characters.
pub(super) const REASON: usize = 200;

/// Wants an operation stopped.
pub(super) async fn cancel(
    context: &Context,
    caller: &Caller,
    request: pb::CancelOperationRequest,
) -> Result<pb::Operation, Error> {
    if request.reason.chars().count() > REASON || request.reason.chars().any(char::is_control) {
        return Err(Error::field("reason", format!("use at most {REASON} printable characters")));
    }
    let record = meant(context, &request).await?;
    let (id, key) = (record.id(), record.raw.meta.key.clone());
    caller.trail.note_object(format_args!("{} {key}", record.raw.meta.kind));
    let name = &key.name;
    let refused = |why: String, next: String| {
        let what = format!("{} {name}: cancelling its operation", record.raw.meta.kind);
        Error::Precondition(Box::new(Failure::new(
            ErrorKind::Invalid,
            what,
            why,
            "nothing was changed",
            next,
        )))
    };
    if record.raw.meta.kind != Kind::Machine {
        let next = format!("to end it, delete it: underlay explain {}/{name}", record.raw.meta.kind);
        return Err(refused("only operations of machines can be cancelled".into(), next));
    }
    let machine = record.raw.clone().decode::<Machine>()?;
    caller.must_write(&key, &Machine::pools(context, &key, None, Some(&machine)).await?)?;
    let look = format!("see where it stands: underlay explain machine/{name}");
    if machine.meta.deleted_at.is_some() {
        return Err(refused("it is being deleted, and that is not taken back".into(), look));
    }
    if record.is_at_rest() {
        return Err(refused("nothing is under way".into(), look));
    }
    let may_be_written = matches!(machine.state, State::Imaging { .. } | State::Starting { .. });
    if may_be_written && !request.force {
        let phase = machine.state.phase();
        let why =
            format!("it is {phase}: its disk may have been written to, and cancelled now it would not start");
        let next = format!(
            "wait for it: underlay watch machine/{name}; or give the disk up: underlay operation cancel machine/{name} \
             --force"
        );
        return Err(refused(why, next));
    }
    let wish = Cancellation {
        generation: machine.meta.generation,
        by: caller.who(),
        at: underlay_core::clock::now(),
        reason: request.reason,
        until: if request.force { Until::TheEnd } else { Until::Written },
    };
    caller.trail.note_detail(if request.force { "by force" } else { "before anything is written" });
    context.store.on_record(&caller.trail).cancel(id, &wish).await?;
    tracing::info!(%key, caller = caller.name, force = request.force, "cancelling an operation");
    let newest = context.store.operations(Some(id), 1).await?.pop();
    let newest = newest.ok_or(Error::Unavailable("the operation is not there any more; look again"))?;
    let newest = context.store.operation(newest.id).await?.unwrap_or(newest);
    Ok(operation::operation(&newest, Some(&key)))
}

/// The object whose operation is meant. An operation that has ended is nobody's any more.
async fn meant(context: &Context, request: &pb::CancelOperationRequest) -> Result<Record, Error> {
    if request.id.is_empty() {
        let reference = request.object.clone();
        let reference =
            reference.ok_or_else(|| Error::field("object", "say which operation is meant: id or object"))?;
        return any(context, reference).await;
    }
    let id = request.id.parse().map_err(|_| Error::field("id", "is not a UUID"))?;
    let found = context.store.operation(id).await?;
    let found = found.ok_or_else(|| Error::field("id", "there is no such operation, or it was forgotten"))?;
    if found.finished_at.is_some() {
        return Err(Error::field("id", "this operation has ended"));
    }
    let record = context.store.get(found.object).await?;
    record.ok_or(Error::Unavailable("the object of the operation is gone; look again"))
}
