//! Leaving: wait for the machine that holds the host, switch it off where that was asked for, let the driver forget it.

use std::time::Duration;

use underlay_core::{
    Brakes, Effect, Failure, Snapshot, Step, View,
    bmc::Power,
    host::{self, Host, OnDestroy, State, Status},
};

use super::{Hosts, facts, own_password};
use crate::bmc::gate;

/// How soon a wait is looked at again.
const AGAIN: Duration = Duration::from_secs(2);
/// How long a BMC that does not answer, or does not do what it accepted, can hold up the destruction of its host.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is asked at least.
const ATTEMPTS: i64 = 4;

pub(super) async fn step(
    hosts: &Hosts,
    snapshot: &Snapshot<Host>,
    view: &dyn View,
) -> Result<Step<Host>, Failure> {
    let status = facts::known(snapshot, view).await?;
    if !matches!(snapshot.object.state, State::Leaving) {
        return Ok(Step::advance(status, State::Leaving));
    }
    if let Some(machine) = &status.machine {
        return Ok(Step::wait(status.clone(), format!("machine {machine} to let go of it"), AGAIN * 5));
    }
    let hold = Brakes::hold(view, &gate::scope(&snapshot.object)).await;
    let hold = hold.map_err(|error| facts::unreadable(snapshot, &error))?;
    if let Some(brake) = hold.brake.clone().filter(|_| disrupts(snapshot)) {
        return Ok(Step::held(status, brake));
    }
    let counted = match hold.counts_from(snapshot.now) {
        Some(moment) => snapshot.clone().counting_from(moment),
        None => snapshot.clone(),
    };
    let overdue = counted.is_stalled(PATIENCE);
    Ok(match say_goodbye(hosts, snapshot, view).await {
        Ok(Goodbye::First(status, effect, reason)) => {
            Step::wait(*status, reason, Duration::ZERO).with(effect)
        }
        Ok(Goodbye::Said) => gone(snapshot, status),
        Ok(Goodbye::StillOn) if overdue => without_goodbye(snapshot, status, "it does not switch off"),
        Ok(Goodbye::StillOn) => {
            let somebody = host::awaited(&snapshot.object, Power::Off, None);
            Step::wait(status, somebody.unwrap_or_else(|| "it to switch off".into()), AGAIN)
        }
        // The time spent waiting for its machine does not count: it is tried a few times in any case.
        Err(failure) if overdue && snapshot.object.progress.attempts >= ATTEMPTS => {
            without_goodbye(snapshot, status, &failure.why)
        }
        Err(failure) => return Err(failure),
    })
}

/// Does saying goodbye switch anything, or take anything away?
fn disrupts(snapshot: &Snapshot<Host>) -> bool {
    snapshot.object.spec.on_destroy == OnDestroy::PowerOff || gate::loses_by_forgetting(&snapshot.object)
}

fn gone(snapshot: &Snapshot<Host>, status: Status) -> Step<Host> {
    let host = snapshot.object.meta.id;
    Step::gone(status).with(Effect::DropBootPlans { host }).with(Effect::Unassign { host })
}

/// What its BMC may have as a password stays readable: nobody else knows it.
fn without_goodbye(snapshot: &Snapshot<Host>, status: Status, why: &str) -> Step<Host> {
    let name = &snapshot.object.meta.key.name;
    let kept = match &status.own_password {
        Some(_) => format!("; its BMC has a password of its own still: underlay host password {name}"),
        None => String::new(),
    };
    gone(snapshot, status).with(Effect::Note { text: format!("gone without a goodbye: {why}{kept}") })
}

/// How saying goodbye went.
enum Goodbye {
    /// The driver has forgotten the host.
    Said,
    /// It is to be off first, and is not.
    StillOn,
    /// This is to be committed first, for that reason.
    First(Box<Status>, Effect, &'static str),
}

/// Off, where that was asked for, and forgotten by its driver.
async fn say_goodbye(hosts: &Hosts, snapshot: &Snapshot<Host>, view: &dyn View) -> Result<Goodbye, Failure> {
    let failed = |step: &str, error: &underlay_core::bmc::Error| {
        Failure::new(
            error.kind(),
            format!("host {}: {step}", snapshot.object.meta.key.name),
            underlay_core::because(error),
            "its record is kept for now",
            format!("mend its driver, or wait {} s: it is forgotten then", PATIENCE.as_secs()),
        )
    };
    let bmc =
        hosts.bmcs.bmc(&snapshot.object, view).await.map_err(|error| failed("finding its driver", &error))?;
    if snapshot.object.spec.on_destroy == OnDestroy::PowerOff {
        let observed = bmc.observe().await.map_err(|error| failed("reading its power", &error))?;
        if observed.power != Power::Off {
            bmc.ensure_power(Power::Off).await.map_err(|error| failed("switching it off", &error))?;
            return Ok(Goodbye::StillOn);
        }
    }
    let parted = own_password::part(hosts, snapshot, view, snapshot.object.status.clone()).await;
    let parted = parted.map_err(|error| failed("giving its BMC the credential's password back", &error))?;
    if let own_password::Settled::First(status, effect, reason) = parted {
        return Ok(Goodbye::First(Box::new(status), effect, reason));
    }
    bmc.forget().await.map_err(|error| failed("letting its driver forget it", &error))?;
    Ok(Goodbye::Said)
}
