//! Enrolling: wait until the driver answers, and for the right box. Nothing is switched and no disk is touched.

use std::time::Duration;

use underlay_core::{
    ErrorKind, Failure, Snapshot, Step, View,
    host::{Host, State},
};

use super::{Hosts, facts, own_password};

/// How soon a driver that did not answer is asked again.
const AGAIN: Duration = Duration::from_secs(15);
/// How soon it is asked again what a person has to mend.
pub(super) const LATER: Duration = Duration::from_secs(60);

pub(super) async fn step(
    hosts: &Hosts,
    snapshot: &Snapshot<Host>,
    view: &dyn View,
) -> Result<Step<Host>, Failure> {
    Ok(match facts::ask(hosts.bmcs.as_ref(), snapshot, view).await? {
        // It is the right box: what was enrolled with a shared password gets one of its own before any machine has it.
        facts::Asked::Answered(status) => match own_password::settle(hosts, snapshot, view, status).await? {
            own_password::Settled::First(status, effect, reason) => {
                Step::wait(status, reason, Duration::ZERO).with(effect)
            }
            own_password::Settled::Rest(status, _) => Step::advance(status, State::Available),
        },
        facts::Asked::Silent(status, failure) if failure.kind == ErrorKind::Transient => {
            Step::wait(status, format!("its driver to answer: {}", failure.why), AGAIN)
        }
        facts::Asked::Silent(status, failure) | facts::Asked::Wrong(status, failure) => {
            Step::failed(status, State::Enrolling, failure).retrying(LATER)
        }
    })
}
