//! What is known of a host, brought together from its driver, its agent and the claim table.

use jiff::Timestamp;
use underlay_core::{
    ErrorKind, Failure, Noun, Snapshot, View,
    agent::{Inventory, Verdict, changes, health},
    bmc::{self, Bmcs},
    host::{Driver, Facts, Health, Host, Identity, Status},
    identity,
    machine::Machine,
    observation::{Body, Source},
    resident::{self, Line, Resident},
    view,
};

/// What asking the driver brought.
pub(super) enum Asked {
    /// It answered; the status shows it.
    Answered(Status),
    /// It answered for another box than the one enrolled.
    Wrong(Status, Failure),
    /// It did not; the status shows that, and the failure says why.
    Silent(Status, Failure),
}

/// Ask the driver, and bring the agent's findings and the claim into the status.
pub(super) async fn ask(
    bmcs: &dyn Bmcs,
    snapshot: &Snapshot<Host>,
    view: &dyn View,
) -> Result<Asked, Failure> {
    let mut status = known(snapshot, view).await?;
    let now = snapshot.now;
    let answer = match bmcs.bmc(&snapshot.object, view).await {
        Ok(bmc) => bmc.observe().await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(observed) => {
            take(&mut status, snapshot, &observed, now);
            Ok(match identity::claimed(&snapshot.object.spec.identity, &observed) {
                Ok(()) => Asked::Answered(status),
                Err(mismatch) => {
                    let why = mismatch.to_string();
                    status.set_condition("IdentityVerified", Health::Bad, &why, now);
                    Asked::Wrong(status, wrong(snapshot, why))
                }
            })
        }
        Err(error) => {
            let why = underlay_core::because(&error);
            status.power = Some(bmc::Power::Unknown);
            status.set_condition("Reachable", Health::Bad, &why, now);
            let name = &snapshot.object.meta.key.name;
            let failure = Failure::new(
                error.kind(),
                format!("host {name}: asking its driver"),
                why,
                "nothing was changed",
                format!("mend it, then ask again: underlay power observe host/{name}"),
            );
            Ok(Asked::Silent(status, failure))
        }
    }
}

fn take(status: &mut Status, snapshot: &Snapshot<Host>, observed: &bmc::Observation, now: Timestamp) {
    let spec = &snapshot.object.spec;
    status.power = Some(observed.power);
    status.forwards = observed.forwards.clone();
    if observed.facts != Facts::default() {
        let disks = observed.facts.disks.clone().or(status.told.disks.take());
        status.told = Facts { disks, ..observed.facts.clone() };
    }
    status.boot_mac = spec.identity.boot_mac.or(observed.macs.first().copied()).or(status.boot_mac);
    if status.pinned_certificate.is_none() {
        status.pinned_certificate = observed.certificate.clone();
    }
    match spec.driver {
        // Whether it can be reached is what the condition Resident says.
        Driver::None => status.conditions.retain(|condition| condition.name != "Reachable"),
        _ => status.set_condition("Reachable", Health::Good, "its driver answers", now),
    }
}

fn wrong(snapshot: &Snapshot<Host>, why: String) -> Failure {
    Failure::new(
        ErrorKind::Invalid,
        format!("host {}: checking which box it is", snapshot.object.meta.key.name),
        why,
        "nothing was switched",
        "correct the BMC's address or the identity and apply again",
    )
    .at("identity")
}

/// What is known without asking anybody: the agent's last inventory and who holds the host.
pub(super) async fn known(snapshot: &Snapshot<Host>, view: &dyn View) -> Result<Status, Failure> {
    let mut status = snapshot.object.status.clone();
    let unreadable = |error: view::Error| unreadable(snapshot, &error);
    wait(&mut status, snapshot);
    resemble(&mut status, snapshot);
    if let Some((at, inventory)) = inventory(snapshot) {
        let mut inventory = inventory.clone();
        if let Some(before) = &status.inventory {
            health::keep_unseen(before, &mut inventory);
            if status.inventoried_at != Some(at) {
                changes::remember(&mut status.changes, before, &inventory, at);
            }
        }
        status.inventoried_at = Some(at);
        match identity::check(&snapshot.object.spec.identity, &inventory) {
            Ok(()) => status.set_condition(
                "IdentityVerified",
                Health::Good,
                format!("the agent found {}", identity::describe(&snapshot.object.spec.identity)),
                at,
            ),
            Err(mismatch) => status.set_condition("IdentityVerified", Health::Bad, mismatch.to_string(), at),
        }
        status.inventory = Some(inventory);
    }
    residence(&mut status, snapshot);
    disks(&mut status, snapshot.now);
    let holder = view.holder(snapshot.object.meta.id).await.map_err(unreadable)?;
    status.machine = match holder {
        None => None,
        Some(id) => {
            let unreadable = |error: view::Error| self::unreadable(snapshot, &error);
            view.by_id(id)
                .await
                .map_err(unreadable)?
                .filter(|raw| raw.meta.kind == Machine::KIND)
                .map(|raw| raw.meta.key.name.to_string())
        }
    };
    Ok(status)
}

/// What was found last, and when: by an agent that had the host's token, or else by one that waits in its RAM, which any
/// machine can be that knows what the host is.
fn inventory(snapshot: &Snapshot<Host>) -> Option<(Timestamp, &Inventory)> {
    let seen = |source| snapshot.observations.iter().find(move |seen| seen.source == source);
    let seen = seen(Source::Inventory).or_else(|| seen(Source::Waiting))?;
    match &seen.body {
        Body::Inventory { inventory, .. } | Body::Waiting { inventory, .. } => Some((seen.at, inventory)),
        _ => None,
    }
}

/// Does an agent wait in its RAM?
fn wait(status: &mut Status, snapshot: &Snapshot<Host>) {
    let seen = snapshot.observations.iter().find(|seen| seen.source == Source::Waiting);
    status.waiting_since = match seen.filter(|seen| seen.is_fresh(snapshot.now)).map(|seen| &seen.body) {
        Some(Body::Waiting { since, boot_mac, .. }) => {
            status.boot_mac = status.boot_mac.or(Some(*boot_mac));
            Some(*since)
        }
        _ => None,
    };
}

/// Is there a machine that nobody can tell from it?
fn resemble(status: &mut Status, snapshot: &Snapshot<Host>) {
    let Some(seen) = snapshot.observations.iter().find(|seen| seen.source == Source::Resemblance) else {
        return;
    };
    let (health, why) = match &seen.body {
        Body::Resembles { why } if seen.is_fresh(snapshot.now) => (Health::Bad, why.clone()),
        _ => (Health::Good, "no other machine reports as it".into()),
    };
    status.set_condition("IdentityUnique", health, why, seen.at);
}

/// Brings in what the agent says that lives on the installed system. It is news about a machine that runs; nothing is written
/// because of it, and the agent in RAM checks all of it again before a byte is.
fn residence(status: &mut Status, snapshot: &Snapshot<Host>) {
    const CONDITION: &str = "Resident";
    let spec = &snapshot.object.spec;
    let seen = snapshot.observations.iter().find(|seen| seen.source == Source::Resident);
    let heard = seen.and_then(|seen| match &seen.body {
        Body::Resident { line, system, inventory, .. } => Some((seen.at, *line, system, inventory)),
        _ => None,
    });
    let is_heard = heard.is_some_and(|(at, line, ..)| resident::is_heard(line, at, snapshot.now));
    let Some((at, _, system, inventory)) = heard.filter(|_| is_heard || spec.driver == Driver::None) else {
        status.resident = None;
        match spec.driver {
            Driver::None => {
                let name = &snapshot.object.meta.key.name;
                let why = format!("no agent was ever heard; to install one: underlay adopt {name} --again");
                status.set_condition(CONDITION, Health::Bad, why, snapshot.now);
            }
            _ => status.conditions.retain(|condition| condition.name != CONDITION),
        }
        return;
    };
    let line = if is_heard { Line::Open } else { Line::Closed };
    status.resident = Some(Resident { line, system: (**system).clone() });
    match line {
        Line::Open => status.set_condition(CONDITION, Health::Good, "its agent is on the line", snapshot.now),
        Line::Closed => {
            let why = format!("its agent was last heard at {at:.0}");
            status.set_condition(CONDITION, Health::Bad, why, snapshot.now);
        }
    }
    if status.inventoried_at.is_some_and(|known| known > at) {
        return;
    }
    // What does not fit the enrolment is shown as that, and taken for nothing else.
    let fits = identity::check(&spec.identity, inventory);
    if spec.identity != Identity::default() {
        let found = || format!("the agent that lives on it found {}", identity::describe(&spec.identity));
        match &fits {
            Ok(()) => status.set_condition("IdentityVerified", Health::Good, found(), at),
            Err(mismatch) => {
                status.set_condition("IdentityVerified", Health::Bad, mismatch.to_string(), at);
            }
        }
    }
    let mut inventory = (**inventory).clone();
    if let Some(before) = &status.inventory {
        health::keep_unseen(before, &mut inventory);
    }
    if fits.is_ok() && status.inventory.as_ref() != Some(&inventory) {
        status.inventory = Some(inventory);
        status.inventoried_at = Some(at);
    }
}

/// What its disks say of themselves. A disk that fails is for a person to see: nothing is moved or refused because of it.
fn disks(status: &mut Status, now: Timestamp) {
    const CONDITION: &str = "DisksHealthy";
    let said = status.inventory.as_ref().and_then(|inventory| health::of_disks(&inventory.disks));
    match said {
        None => status.conditions.retain(|condition| condition.name != CONDITION),
        Some((verdict, why)) => {
            let health = if verdict == Verdict::Failing { Health::Bad } else { Health::Good };
            status.set_condition(CONDITION, health, why, now);
        }
    }
}

/// A second agent key that tried to redeem one of the host's tokens, newer than `since`.
pub(super) fn intruder(snapshot: &Snapshot<Host>, since: Timestamp) -> Option<Failure> {
    let seen =
        snapshot.observations.iter().find(|seen| seen.source == Source::Intruder && seen.at > since)?;
    let Body::Intruder { key, address, .. } = &seen.body else { return None };
    let name = &snapshot.object.meta.key.name;
    Some(
        Failure::new(
            ErrorKind::Permanent,
            format!("host {name}: its one-time token was used twice"),
            format!("a second agent, key {key}, presented the token from {address}"),
            "the second agent was refused and the host set aside",
            format!("find out what sits on that segment; then clear it: underlay host clear {name}"),
        )
        .blaming_host(),
    )
}

/// A deployment that failed by the host's fault, newer than `since`.
pub(super) fn accusation(snapshot: &Snapshot<Host>, since: Timestamp) -> Option<Failure> {
    let seen = snapshot.observations.iter().find(|seen| seen.source == Source::Accuser && seen.at > since)?;
    let Body::Accused { machine, failure } = &seen.body else { return None };
    let name = &snapshot.object.meta.key.name;
    Some(
        Failure::new(
            ErrorKind::Permanent,
            format!("host {name}: carrying machine {machine}"),
            failure.why.clone(),
            "the host was set aside",
            format!("repair it, then clear it: underlay host clear {name}"),
        )
        .blaming_host(),
    )
}

pub(super) fn unreadable(snapshot: &Snapshot<Host>, error: &view::Error) -> Failure {
    Failure::new(
        error.kind(),
        format!("host {}: reading the store", snapshot.object.meta.key.name),
        underlay_core::because(error),
        "nothing was changed",
        "see the server's log",
    )
}
