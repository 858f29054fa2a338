//! Available: rest, ask the driver now and then, and set the host aside when its token was misused or a
//! deployment failed by its fault, or an operator wants that. One that a machine let go of is cleaned first.
//!
//! A driver that does not answer is a condition, never the start of anything. One that answers for another box is no
//! longer this host's: no machine may have it until that is mended, because switching it would switch a stranger.

use std::time::Duration;

use underlay_core::{
    ErrorKind, Failure, Snapshot, Step, View,
    bmc::Power,
    cleaning::Reason,
    host::{Host, Purpose, State, Wish},
};

use super::{Hosts, aside, enrolling, facts, own_password, tended, wished};

/// When to look again at a host whose power cannot be told for now.
const SETTLED: Duration = Duration::from_secs(30);

pub(super) async fn step(
    hosts: &Hosts,
    snapshot: &Snapshot<Host>,
    view: &dyn View,
) -> Result<Step<Host>, Failure> {
    if let Some(failure) = aside::cause(snapshot) {
        return aside::quarantine(snapshot, view, failure).await;
    }
    if let Some(purpose) = to_be_tended(snapshot, view).await? {
        return tended::begin(snapshot, view, facts::known(snapshot, view).await?, purpose).await;
    }
    let asked = facts::ask(hosts.bmcs.as_ref(), snapshot, view).await?;
    let (asked, left) = match asked {
        facts::Asked::Answered(status) => match own_password::settle(hosts, snapshot, view, status).await? {
            own_password::Settled::First(status, effect, reason) => {
                return Ok(Step::wait(status, reason, Duration::ZERO).with(effect));
            }
            own_password::Settled::Rest(status, left) => (facts::Asked::Answered(status), left),
        },
        other => (other, None),
    };
    if let facts::Asked::Answered(_) = asked {
        listen(hosts, snapshot, view).await;
    }
    let next = match left {
        Some(ErrorKind::Transient) => enrolling::LATER.min(hosts.audits.next()),
        _ => hosts.audits.next(),
    };
    // Between two states: it was switched just now, and its BMC is late to show it. One that never says is not asked more
    // often for that.
    let was_known = snapshot.object.status.power.is_some_and(|power| power != Power::Unknown);
    Ok(match asked {
        facts::Asked::Answered(status) if was_known && status.power == Some(Power::Unknown) => {
            Step::done(status, Some(SETTLED))
        }
        facts::Asked::Answered(status) | facts::Asked::Silent(status, _) => Step::done(status, Some(next)),
        facts::Asked::Wrong(status, failure) => {
            Step::failed(status, State::Enrolling, failure).retrying(enrolling::LATER)
        }
    })
}

/// Have its BMC tell us of changes. Where it does not, it is asked now and then as all are.
async fn listen(hosts: &Hosts, snapshot: &Snapshot<Host>, view: &dyn View) {
    let ensured = match hosts.bmcs.bmc(&snapshot.object, view).await {
        Ok(bmc) => bmc.ensure_events().await,
        Err(error) => Err(error),
    };
    if let Err(error) = ensured {
        let host = snapshot.object.meta.key.name.as_str();
        tracing::debug!(host, error = underlay_core::because(&error), "its BMC does not send events");
    }
}

/// Is it to be started with the agent? It is where a machine has let it go to itself, or where somebody wants it looked at
/// and no machine has it.
async fn to_be_tended(snapshot: &Snapshot<Host>, view: &dyn View) -> Result<Option<Purpose>, Failure> {
    let id = snapshot.object.meta.id;
    let holder = view.holder(id).await.map_err(|error| facts::unreadable(snapshot, &error))?;
    Ok(match holder {
        Some(holder) if holder == id => Some(Purpose::Clean(Reason::Released)),
        Some(_) => None,
        None => matches!(wished::wish(snapshot), Some((Wish::Reinspect, _))).then_some(Purpose::Inspect),
    })
}
