//! Tended: the host is started with the agent, which wipes its disks or only looks around, and is switched off again.
//!
//! - [`booting`]: off, on, and the agent's call home; [`wiping`]: its work, and the end of it
//! - [`turn`]: what all of them ask
//!
//! The host holds its own claim from before the first step until after the last. Whatever goes wrong sets it aside, with that
//! claim: it is cleaned again before any machine has it.

mod booting;
mod turn;
mod wiping;

#[cfg(test)]
mod tests;

use std::time::Duration;

use underlay_core::{
    Brakes, Effect, ErrorKind, Failure, Kind, Snapshot, Step, View,
    agent::{Assignment, Task},
    cleaning::{Policy, Reason},
    host::{Host, Purpose, Stage, State, Status, Tending},
    pool::Pool,
};

use self::turn::Turn;
use super::{Hosts, aside, facts};
use crate::bmc::gate;

/// One step.
pub(super) async fn step(
    hosts: &Hosts,
    snapshot: &Snapshot<Host>,
    view: &dyn View,
    tending: &Tending,
) -> Result<Step<Host>, Failure> {
    let status = facts::known(snapshot, view).await?;
    let hold = Brakes::hold(view, &gate::scope(&snapshot.object)).await;
    let hold = hold.map_err(|error| facts::unreadable(snapshot, &error))?;
    let counted = match hold.counts_from(snapshot.now) {
        Some(moment) => snapshot.clone().counting_from(moment),
        None => snapshot.clone(),
    };
    let turn = Turn { hosts, snapshot: &counted, view, tending, status };
    if let Some(failure) = aside::cause(snapshot) {
        return Ok(turn.give_up(failure));
    }
    // What the agent has in hand it brings to its end.
    if let Some(brake) = hold.brake.filter(|_| tending.stage != Stage::Wipe) {
        return Ok(Step::held(turn.status, brake));
    }
    let decided = match tending.stage {
        Stage::SwitchOff => booting::switch_off(&turn).await,
        Stage::SwitchOn => booting::switch_on(&turn).await,
        Stage::Boot => booting::boot(&turn).await,
        Stage::Wipe => wiping::wipe(&turn),
        Stage::Finish => wiping::finish(&turn).await,
    };
    match decided {
        Err(failure) => turn.weigh(failure),
        decided => decided,
    }
}

/// Begins to clean the host, as its pool says by now; where that is not at all, machines may have it. `None`: it is not the
/// host's to begin.
pub(super) async fn begin(
    snapshot: &Snapshot<Host>,
    view: &dyn View,
    status: Status,
    purpose: Purpose,
) -> Result<Step<Host>, Failure> {
    let policy = match purpose {
        Purpose::Clean(_) => policy(snapshot, view).await?,
        Purpose::Inspect => Policy::None,
    };
    let host = snapshot.object.meta.id;
    if purpose == Purpose::Clean(Reason::Released) && policy.is_none() {
        let step = Step::wait(status, "machines to be let have it", Duration::ZERO);
        return Ok(step.with(Effect::Release { host }));
    }
    let epoch = snapshot.now.as_microsecond();
    let known = known_disks(&status);
    let tending = Tending { epoch, attempt: 0, purpose, policy, stage: Stage::SwitchOff, known };
    if tending.wipes() && snapshot.object.spec.protected {
        return Ok(aside::set_aside(snapshot, status, protected(snapshot)));
    }
    let stay = Assignment { host, on_behalf_of: host, epoch, task: Task::Stay };
    let text = match purpose {
        Purpose::Clean(Reason::Released) => format!("let go by its machine; cleaning it ({})", policy.word()),
        Purpose::Clean(Reason::Repair) => {
            format!("to be repaired; cleaning it ({}), looking at it", policy.word())
        }
        Purpose::Inspect => "looking at what it is made of".to_owned(),
    };
    // From here on an agent of an earlier boot is turned away.
    Ok(Step::advance(status, State::Tended { tending })
        .with(Effect::Claim { host })
        .with(Effect::Assign(stay))
        .with(Effect::Note { text }))
}

async fn policy(snapshot: &Snapshot<Host>, view: &dyn View) -> Result<Policy, Failure> {
    let object = &snapshot.object;
    let unreadable = |error| facts::unreadable(snapshot, &error);
    let raw = view.by_name(&object.meta.key, Kind::Pool, &object.spec.pool).await.map_err(unreadable)?;
    let pool = raw.map(|raw| raw.decode::<Pool>()).transpose().map_err(unreadable)?;
    Ok(pool.map_or(Policy::None, |pool| pool.spec.clean))
}

/// The serial numbers of the disks that were there last and are ours to wipe: one that does not answer any more is not clean.
fn known_disks(status: &Status) -> Vec<String> {
    let disks = status.inventory.iter().flat_map(|inventory| &inventory.disks);
    disks.filter(|disk| disk.excluded.is_none()).filter_map(|disk| disk.serial.clone()).collect()
}

fn protected(snapshot: &Snapshot<Host>) -> Failure {
    let name = &snapshot.object.meta.key.name;
    Failure::new(
        ErrorKind::Invalid,
        format!("host {name}: wiping its disks"),
        "it is protected",
        "nothing was wiped; no machine gets it",
        format!("write protected = false in underlay_host.{name} and apply that, then: underlay host repair {name}"),
    )
    .at("protected")
}
