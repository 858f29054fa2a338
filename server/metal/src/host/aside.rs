//! Setting a host aside: no machine may have it until somebody says that it is mended.

use underlay_core::{
    Effect, Failure, Snapshot, Step, View,
    host::{Health, Host, State, Status},
};

use super::facts;

/// Sets the host aside because of `failure`. Its claim stays where it is: a host that is not clean goes on holding its own.
#[track_caller]
pub(super) fn set_aside(snapshot: &Snapshot<Host>, mut status: Status, failure: Failure) -> Step<Host> {
    status.set_condition("Quarantined", Health::Bad, &failure.why, snapshot.now);
    let next = State::quarantined(failure.clone(), &snapshot.object.spec);
    Step::failed(status, next, failure).with(Effect::RevokeTokens { host: snapshot.object.meta.id })
}

/// The same, with what is known of the host as it stands.
pub(super) async fn quarantine(
    snapshot: &Snapshot<Host>,
    view: &dyn View,
    failure: Failure,
) -> Result<Step<Host>, Failure> {
    Ok(set_aside(snapshot, facts::known(snapshot, view).await?, failure))
}

/// Why the host is to be set aside now, whatever it does: its token was misused, a deployment failed by its fault, or an
/// operator wants it so.
pub(super) fn cause(snapshot: &Snapshot<Host>) -> Option<Failure> {
    let since = snapshot.object.progress.since;
    facts::intruder(snapshot, since)
        .or_else(|| facts::accusation(snapshot, since))
        .or_else(|| super::wished::quarantine(snapshot))
}
