//! What an operator wished for the host, since it is in its present state.

use underlay_core::{
    ErrorKind, Failure, Snapshot,
    host::{Host, Wish},
    observation::{Body, Source},
};

/// The wish, and whose it is; a wish that was uttered in another state has been dealt with.
pub(super) fn wish(snapshot: &Snapshot<Host>) -> Option<(&Wish, &str)> {
    let since = snapshot.object.progress.since;
    let seen =
        snapshot.observations.iter().find(|seen| seen.source == Source::Operator && seen.at > since)?;
    match &seen.body {
        Body::Wished { wish, by, .. } => Some((wish, by)),
        _ => None,
    }
}

/// Somebody wants it out of use.
pub(super) fn quarantine(snapshot: &Snapshot<Host>) -> Option<Failure> {
    let (Wish::Quarantine { reason }, by) = wish(snapshot)? else { return None };
    let name = &snapshot.object.meta.key.name;
    Some(Failure::new(
        ErrorKind::Permanent,
        format!("host {name}: being of use"),
        format!("{by} took it out of use: {reason}"),
        "no machine gets it; one that has it keeps it",
        format!("when it is mended: underlay host repair {name}; or, as it is: underlay host clear {name}"),
    ))
}
