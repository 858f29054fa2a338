//! Quarantined: no machine may have the host until somebody says that it is mended: asks for another try of the spec it
//! was set aside with. A changed spec alone says nothing of the kind.

use underlay_core::{
    Failure, Snapshot, Step, View,
    cleaning::Reason,
    host::{Health, Host, Purpose, State, Wish},
};

use super::{facts, tended, wished};

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
    if let Some((Wish::Repair, _)) = wished::wish(snapshot) {
        let id = meta.id;
        let holder = view.holder(id).await.map_err(|error| facts::unreadable(snapshot, &error))?;
        if holder.is_none_or(|holder| holder == id) {
            return tended::begin(snapshot, view, status, Purpose::Clean(Reason::Repair)).await;
        }
    }
    Ok(Step::failed(status, next, failure.clone()))
}
