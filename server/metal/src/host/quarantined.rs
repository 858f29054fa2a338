//! Quarantined: no machine may have the host until somebody says that it is mended: asks for another try of the spec it
//! was set aside with. A changed spec alone says nothing of the kind.

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
    let next = State::quarantined(failure.clone(), &snapshot.object.spec);
    let same_spec = match &snapshot.object.state {
        // An older server did not note the spec.
        State::Quarantined { spec, .. } if spec.is_empty() => true,
        state => *state == next,
    };
    if meta.generation > meta.observed_generation && same_spec {
        status.set_condition("Quarantined", Health::Good, "cleared by somebody", snapshot.now);
        return Ok(Step::advance(status, State::Enrolling));
    }
    Ok(Step::failed(status, next, failure.clone()))
}
