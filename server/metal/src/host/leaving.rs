//! Leaving: wait for the machine that holds the host, switch it off where that was asked for, let the driver forget it.

use std::time::Duration;

use underlay_core::{
    Effect, Failure, Snapshot, Step, View,
    bmc::Power,
    host::{Host, OnDestroy, State},
};

use super::{Hosts, facts};

/// How soon a wait is looked at again.
const AGAIN: Duration = Duration::from_secs(2);
/// How long a BMC that does not answer can hold up the destruction of its host.
const PATIENCE: Duration = Duration::from_secs(120);

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
    let id = snapshot.object.meta.id;
    match say_goodbye(hosts, snapshot, view).await {
        Ok(true) => Ok(Step::gone(status)
            .with(Effect::DropBootPlans { host: id })
            .with(Effect::Unassign { host: id })),
        Ok(false) => Ok(Step::wait(status, "it to switch off", AGAIN)),
        Err(failure) if snapshot.is_stalled(PATIENCE) => {
            let text = format!("gone without a goodbye: {}", failure.why);
            Ok(Step::gone(status).with(Effect::DropBootPlans { host: id }).with(Effect::Note { text }))
        }
        Err(failure) => Err(failure),
    }
}

/// Off, where that was asked for, and forgotten by its driver. `false` while it is still on.
async fn say_goodbye(hosts: &Hosts, snapshot: &Snapshot<Host>, view: &dyn View) -> Result<bool, Failure> {
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
            return Ok(false);
        }
    }
    bmc.forget().await.map_err(|error| failed("letting its driver forget it", &error))?;
    Ok(true)
}
