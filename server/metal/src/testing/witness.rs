//! What each step did to the outside, in order: its driver calls and how they went, and whether it could see.

use std::{collections::BTreeMap, sync::Mutex};

use super::rack::Rack;
use crate::bmc::fake::{Call, Fault};

/// One step, or the lost attempt at one.
#[derive(Debug)]
pub(crate) struct Acted {
    /// Its driver calls by host, with what went wrong.
    pub(crate) calls: BTreeMap<String, Vec<(Call, Option<Fault>)>>,
    /// How many calls it had made to each host when the store could not be read, where it could not.
    pub(crate) blind_from: Option<BTreeMap<String, usize>>,
    /// Did it decide that a disk is written?
    pub(crate) deploys: bool,
}

/// What is under way, and what was.
#[derive(Default)]
pub(super) struct Witness(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    began: BTreeMap<String, usize>,
    blind_from: Option<BTreeMap<String, usize>>,
    acted: Vec<Acted>,
}

impl Rack {
    /// What the steps since the last look did.
    pub(crate) fn witnessed(&self) -> Vec<Acted> {
        std::mem::take(&mut self.witness.0.lock().expect("whole").acted)
    }

    fn counts(&self) -> BTreeMap<String, usize> {
        self.bmcs.all().into_iter().map(|(name, fake)| (name, fake.count())).collect()
    }

    pub(super) fn attempt_begins(&self) {
        let began = self.counts();
        let mut seen = self.witness.0.lock().expect("whole");
        (seen.began, seen.blind_from) = (began, None);
    }

    /// The store could not be read just now.
    pub(super) fn is_blind(&self) {
        let now = self.counts();
        let mut seen = self.witness.0.lock().expect("whole");
        let began = seen.began.clone();
        let since = |(name, count): (String, usize)| {
            let before = began.get(&name).copied().unwrap_or(0);
            (name, count - before)
        };
        seen.blind_from.get_or_insert_with(|| now.into_iter().map(since).collect());
    }

    pub(super) fn attempt_ends(&self, deploys: bool) {
        let mut seen = self.witness.0.lock().expect("whole");
        let calls = self.bmcs.all().into_iter().map(|(name, fake)| {
            let first = seen.began.get(&name).copied().unwrap_or(0);
            (name, fake.trace(first))
        });
        let calls = calls.filter(|(_, calls)| !calls.is_empty()).collect();
        let blind_from = seen.blind_from.take();
        seen.acted.push(Acted { calls, blind_from, deploys });
    }
}
