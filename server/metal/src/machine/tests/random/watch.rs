//! What never happens in any life: work for a box that is not known to be the right one, an act after something could not be
//! seen, a deadline that passes unnoticed, a failure that says nothing, two machines on one host.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use proptest::prelude::*;
use underlay_core::{
    Failure, Kind, ObjectId, State as _,
    agent::Task,
    host::Host,
    identity,
    machine::State,
    observation::{Body, Source},
};

use super::MACHINES;
use crate::{
    bmc::fake::{Call, Fault},
    machine::Patience,
    testing::{Acted, Rack},
};

/// What a deadline may be late by: the longest wait between two looks, and the longest after a look that failed.
const SLACK: Duration = Duration::from_secs(180 + 30);

/// What has been seen of the rack so far.
#[derive(Default)]
pub(super) struct Watch {
    /// Epochs in which a Deploy was assigned, with the generation, per machine.
    pub(super) deploys: BTreeMap<ObjectId, Vec<(i64, i64)>>,
    assigned: usize,
    /// How many faults struck: calls, reads and agents that went wrong.
    pub(super) struck: u64,
    /// Every phase that was entered, once all is over.
    pub(super) trace: Vec<&'static str>,
    /// Since when all can be read and nothing is held back.
    undisturbed_since: Option<Timestamp>,
}

impl Watch {
    /// Look at everything that was committed since the last look.
    pub(super) fn look(&mut self, rack: &Rack) -> Result<(), TestCaseError> {
        let new: Vec<_> = rack.store().assigned.iter().skip(self.assigned).cloned().collect();
        self.assigned += new.len();
        for (generation, work) in new {
            if !matches!(work.task, Task::Deploy(_)) {
                continue;
            }
            // The agent of that epoch has shown an inventory, and it is that of the box enrolled.
            let seen = rack.seen(work.host, Source::Inventory);
            if let Some(Body::Inventory { epoch, inventory }) = seen {
                prop_assert_eq!(epoch, work.epoch);
                let host = rack.get::<Host>(work.host);
                prop_assert!(identity::check(&host.spec.identity, &inventory).is_ok());
            } else {
                prop_assert!(false, "work for an agent that never called home");
            }
            let before = self.deploys.entry(work.on_behalf_of).or_default();
            prop_assert!(before.iter().all(|(epoch, _)| *epoch < work.epoch), "an epoch is used once");
            before.push((work.epoch, generation));
        }
        for step in rack.witnessed() {
            self.struck += step.struck();
            step.acts_on_what_it_knows()?;
        }
        self.failures_say_what_to_do(rack)?;
        self.claims_are_kept(rack)
    }

    /// The store or a brake was touched: deadlines count from now on.
    pub(super) fn is_disturbed(&mut self) {
        self.undisturbed_since = None;
    }

    /// Time has gone by: nothing that has a deadline is past it.
    pub(super) fn nothing_is_overdue(&mut self, rack: &Rack) -> Result<(), TestCaseError> {
        let now = rack.now();
        if rack.is_unreadable() || rack.brakes.stand() {
            self.undisturbed_since = None;
            return Ok(());
        }
        let since = *self.undisturbed_since.get_or_insert(now);
        for name in MACHINES {
            let Some(machine) = rack.find(Kind::Machine, name).map(|id| rack.machine(id)) else { continue };
            let standing = &machine.progress;
            let told =
                standing.waiting_for.is_some() || standing.failure.is_some() || machine.state.is_settled();
            prop_assert!(told, "nobody knows what it waits for: {machine:?}");
            let Some(patience) = patience(&machine.state) else { continue };
            let silent = now.duration_since(standing.evidence_at.max(since)).unsigned_abs();
            prop_assert!(silent <= patience + SLACK, "silent for {silent:?}: {machine:?}");
        }
        Ok(())
    }

    /// Whoever reads of a failure learns what failed, why, what was done about it, and what to do.
    fn failures_say_what_to_do(&self, rack: &Rack) -> Result<(), TestCaseError> {
        let store = rack.store();
        for raw in store.objects.values().filter(|raw| raw.meta.purged_at.is_none()) {
            let Some(failure) = &raw.progress.failure else { continue };
            let Failure { what, why, done, next, .. } = failure;
            for part in [what, why, done, next] {
                prop_assert!(part.split_whitespace().count() >= 2, "a part says nothing: {failure:?}");
                let code = ["Some(", "None", "Err(", "{ ", "::"].into_iter().find(|code| part.contains(code));
                prop_assert!(code.is_none(), "no person speaks like that: {failure:?}");
            }
            let named = raw.meta.key.name.as_str();
            prop_assert!(what.contains(named), "it does not say of what: {failure:?}");
            let acts =
                ["underlay ", "apply", "write ", "check", "look", "see", "give", "name", "set ", "wait"];
            prop_assert!(acts.iter().any(|act| next.contains(act)), "nothing to do: {failure:?}");
        }
        Ok(())
    }

    /// A machine that has something on a host, or is about to, holds it; and nobody else does.
    fn claims_are_kept(&self, rack: &Rack) -> Result<(), TestCaseError> {
        for name in MACHINES {
            let Some(id) = rack.find(Kind::Machine, name) else { continue };
            let machine = rack.machine(id);
            let held = rack.store().claims.values().filter(|holder| **holder == id).count();
            prop_assert!(held <= 1, "{held} hosts at once: {:?}", machine.state);
            let run = machine.state.run().map(|run| run.host);
            let deployed = machine.state.deployed().map(|deployed| deployed.host);
            for host in run.into_iter().chain(deployed) {
                let holder = rack.store().claims.get(&host).copied();
                prop_assert_eq!(holder, Some(id), "{:?}", machine.state);
            }
            if let State::Ready { deployed } = &machine.state {
                prop_assert_eq!(Some(deployed), machine.status.deployed.as_ref());
            }
        }
        Ok(())
    }
}

impl Rack {
    fn is_unreadable(&self) -> bool {
        self.store().is_unreadable()
    }
}

/// How long that state may last without any evidence.
fn patience(state: &State) -> Option<Duration> {
    let patience = Patience::default();
    match state {
        State::PoweringOff { .. } | State::PoweringOn { .. } => Some(patience.power),
        State::Booting { .. } => Some(patience.boot),
        State::PreDeploy { .. } | State::PostDeploy { .. } => None,
        State::Imaging { .. } => Some(patience.imaging),
        State::Starting { .. } => Some(patience.start),
        // These wait for others, or for as long as it takes to see a host off.
        State::Pending
        | State::Adopting { .. }
        | State::Ready { .. }
        | State::Failed { .. }
        | State::Replacing { .. }
        | State::Releasing { .. } => None,
    }
}

impl Acted {
    /// How many of its looks and calls went wrong.
    fn struck(&self) -> u64 {
        let calls = self.calls.values().flatten();
        calls.filter(|(_, fault)| fault.is_some()).count() as u64 + u64::from(self.blind_from.is_some())
    }

    /// Nothing is switched, booted or written after something could not be seen.
    fn acts_on_what_it_knows(&self) -> Result<(), TestCaseError> {
        for (host, calls) in &self.calls {
            let unseen = calls
                .iter()
                .position(|(call, fault)| *call == Call::Observe && fault.is_some_and(Fault::shows));
            let after = calls.iter().skip(unseen.unwrap_or(calls.len()));
            let acts: Vec<_> = after.filter(|(call, _)| *call != Call::Observe).collect();
            prop_assert!(acts.is_empty(), "{host} was not seen, and then {acts:?}: {self:?}");
            prop_assert!(unseen.is_none() || !self.deploys, "{host} was not seen, and is imaged: {self:?}");
        }
        if let Some(before) = &self.blind_from {
            for (host, calls) in &self.calls {
                let after = calls.iter().skip(before.get(host).copied().unwrap_or(0));
                let acts: Vec<_> = after.filter(|(call, _)| *call != Call::Observe).collect();
                prop_assert!(
                    acts.is_empty(),
                    "the store could not be read, and then {acts:?} on {host}: {self:?}"
                );
            }
            prop_assert!(!self.deploys, "the store could not be read, and a disk is written: {self:?}");
        }
        Ok(())
    }
}

/// What was ready for a spec is imaged again only for another one.
pub(super) fn imaged_once(rack: &Rack, watch: &Watch, id: ObjectId) -> Result<(), TestCaseError> {
    if let State::Ready { deployed } = rack.machine(id).state {
        let after = |(epoch, _): &&(i64, i64)| *epoch > deployed.epoch;
        let later = watch.deploys.get(&id).into_iter().flatten().filter(after).count();
        prop_assert_eq!(later, 0, "what is ready is the newest that was written");
    }
    Ok(())
}
