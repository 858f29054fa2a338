//! Quarantined: no machine may have the host until somebody asks for another try (a new generation).

use underlay_core::{
    Failure, Snapshot, Step, View,
    host::{Health, Host, State},
};

use super::facts;

pub(super) async fn step(
    snapshot: &Snapshot<Host>,
    view: &dyn View,
    failure: &Failure,
) -> Result<Step<Host>, Failure> {
    let mut status = facts::known(snapshot, view).await?;
    let meta = &snapshot.object.meta;
    if meta.generation > meta.observed_generation {
        status.set_condition("Quarantined", Health::Good, "cleared by a new generation", snapshot.now);
        return Ok(Step::advance(status, State::Enrolling));
    }
    let next = State::Quarantined { failure: failure.clone() };
    Ok(Step::failed(status, next, failure.clone()))
}
