//! The agent's work, and the end of a tending: one disk that is not proven clean sets the host aside.

use underlay_core::{
    Amount, Effect, Failure, Step, Unit,
    agent::{Report, Stage as Told},
    bmc::{Power, Target},
    cleaning::{self, Reason, Record, Wipe},
    host::{Health, Host, Purpose, Stage, State},
    observation::{Body, Source},
};

use super::{
    booting::{seen, take_out},
    turn::Turn,
};

pub(super) fn wipe(turn: &Turn<'_>) -> Result<Step<Host>, Failure> {
    let told = match seen(turn, Source::Agent).map(|seen| &seen.body) {
        Some(Body::Report(Report { epoch, stage })) if *epoch == turn.tending.epoch => Some(stage),
        _ => None,
    };
    let patience = turn.hosts.patience.imaging;
    match told {
        Some(Told::Wiped { disks }) => return Ok(wiped(turn, disks)),
        Some(Told::Failed { failure, .. }) => {
            let done = "no machine gets it";
            return Ok(turn.give_up(turn.failure("wiping its disks", failure.why.clone(), done)));
        }
        _ => {}
    }
    if turn.snapshot.is_stalled(patience) {
        let why = format!("its agent reported nothing new for {} s", patience.as_secs());
        let done = "what is on its disks is not known; the host is left on, and no machine gets it";
        return Ok(turn.give_up(turn.failure("wiping its disks", why, done).blaming_host()));
    }
    Ok(match told {
        Some(Told::Wiping { done, total, .. }) => {
            let amount = Amount { done: *done, total: *total, unit: Unit::Bytes };
            turn.wait("its disks to be wiped".into(), patience).at(Some(amount))
        }
        _ => turn.wait("the agent to take its work".into(), patience),
    })
}

fn wiped(turn: &Turn<'_>, disks: &[Wipe]) -> Step<Host> {
    let reason = match turn.tending.purpose {
        Purpose::Clean(reason) => reason,
        // It was not asked to wipe.
        Purpose::Inspect => Reason::Repair,
    };
    let record = Record { at: turn.snapshot.now, reason, policy: turn.tending.policy, disks: disks.to_vec() };
    let mut failures = record.failures();
    let is_told = |serial: &&String| disks.iter().any(|wipe| wipe.serial.as_ref() == Some(*serial));
    failures.extend(
        turn.tending
            .known
            .iter()
            .filter(|serial| !is_told(serial))
            .map(|serial| format!("the disk with serial {serial} was there before and is not found")),
    );
    let mut status = turn.status.clone();
    let text = words(&record);
    cleaning::remember(&mut status.cleanings, record);
    if !failures.is_empty() {
        let why = failures.join("; ");
        status.set_condition("Clean", Health::Bad, &why, turn.snapshot.now);
        let done = "its disks may hold what was on them; no machine gets it";
        let failure = turn.failure("wiping its disks", why, done).blaming_host();
        let turn = Turn { status, ..*turn };
        return turn.give_up(failure);
    }
    status.set_condition("Clean", Health::Good, &text, turn.snapshot.now);
    let turn = Turn { status, ..*turn };
    turn.to(Stage::Finish).with(Effect::Note { text })
}

fn words(record: &Record) -> String {
    let disks: Vec<_> = record
        .disks
        .iter()
        .map(|wipe| match (&wipe.ending, wipe.method) {
            (cleaning::Ending::Wiped, Some(method)) => format!("{} by {}", wipe.disk, method.word()),
            (cleaning::Ending::Spared { why }, _) => format!("{} spared ({why})", wipe.disk),
            _ => format!("{} not", wipe.disk),
        })
        .collect();
    if disks.is_empty() { "it has no disks to wipe".into() } else { format!("wiped: {}", disks.join(", ")) }
}

/// Off, and out of our hands: from here on machines may have it.
pub(super) async fn finish(turn: &Turn<'_>) -> Result<Step<Host>, Failure> {
    let bmc = turn.bmc().await?;
    let observed = bmc.observe().await.map_err(|error| turn.driver_failed("reading its power", &error))?;
    if observed.power != Power::Off {
        bmc.ensure_power(Power::Off).await.map_err(|error| turn.driver_failed("switching it off", &error))?;
        if turn.snapshot.is_stalled(turn.power_patience()) {
            let why = "its driver accepted to switch it off, and it is still on";
            let done = "no machine gets it";
            return Ok(turn.give_up(turn.failure("switching it off", why, done).blaming_host()));
        }
        return Ok(turn.switching(Power::Off, None));
    }
    bmc.ensure_next_boot(Target::Disk)
        .await
        .map_err(|error| turn.driver_failed("setting its next boot to the disk", &error))?;
    take_out(turn, &*bmc)
        .await
        .map_err(|error| turn.driver_failed("taking its virtual media out", &error))?;
    let host = turn.snapshot.object.meta.id;
    let mut status = turn.status.clone();
    status.power = Some(Power::Off);
    if turn.tending.purpose == Purpose::Clean(Reason::Repair) {
        status.set_condition("Quarantined", Health::Good, "repaired: looked at anew", turn.snapshot.now);
    }
    let step = turn.withdrawn(Step::advance(status, State::Available));
    Ok(step.with(Effect::Release { host }))
}
