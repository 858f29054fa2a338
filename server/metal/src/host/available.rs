//! Available: rest, ask the driver now and then, and set the host aside when its token was misused.

use underlay_core::{
    Effect, Failure, Snapshot, Step, View,
    host::{Health, Host, State},
};

use super::{Hosts, facts};

pub(super) async fn step(
    hosts: &Hosts,
    snapshot: &Snapshot<Host>,
    view: &dyn View,
) -> Result<Step<Host>, Failure> {
    if let Some(failure) = facts::intruder(snapshot, snapshot.object.progress.since) {
        let mut status = facts::known(snapshot, view).await?;
        status.set_condition("Quarantined", Health::Bad, &failure.why, snapshot.now);
        let next = State::Quarantined { failure: failure.clone() };
        return Ok(
            Step::failed(status, next, failure).with(Effect::RevokeTokens { host: snapshot.object.meta.id })
        );
    }
    match facts::ask(hosts.bmcs.as_ref(), snapshot, view).await? {
        facts::Asked::Answered(status) | facts::Asked::Silent(status, _) => {
            // A driver that does not answer is a condition, never the start of anything.
            Ok(Step::done(status, Some(hosts.audit)))
        }
    }
}
