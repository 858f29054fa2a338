//! Enrolling: wait until the driver answers. Nothing is switched and no disk is touched.

use std::time::Duration;

use underlay_core::{
    ErrorKind, Failure, Snapshot, Step, View,
    host::{Health, Host, State},
};

use super::{Hosts, facts};

/// How soon a driver that did not answer is asked again.
const AGAIN: Duration = Duration::from_secs(15);

pub(super) async fn step(
    hosts: &Hosts,
    snapshot: &Snapshot<Host>,
    view: &dyn View,
) -> Result<Step<Host>, Failure> {
    match facts::ask(hosts.bmcs.as_ref(), snapshot, view).await? {
        facts::Asked::Silent(status, failure) if failure.kind == ErrorKind::Transient => {
            Ok(Step::wait(status, format!("its driver to answer: {}", failure.why), AGAIN))
        }
        facts::Asked::Silent(status, failure) => {
            Ok(Step::failed(status, State::Enrolling, failure).retrying(AGAIN * 4))
        }
        facts::Asked::Answered(status) => {
            let wrong = status
                .conditions
                .iter()
                .find(|condition| condition.name == "IdentityVerified" && condition.health == Health::Bad)
                .map(|condition| condition.reason.clone());
            match wrong {
                Some(reason) => {
                    let name = &snapshot.object.meta.key.name;
                    let failure = Failure::new(
                        ErrorKind::Invalid,
                        format!("host {name}: checking which box it is"),
                        reason,
                        "nothing was changed",
                        "correct the BMC's address or the identity and apply again",
                    );
                    Ok(Step::failed(status, State::Enrolling, failure.at("identity")).retrying(AGAIN * 4))
                }
                None => Ok(Step::advance(status, State::Available)),
            }
        }
    }
}
