//! What one call leaves in the audit. Where the call changes something, its row is written in the same transaction, so
//! that no change is without its row, whenever the server dies; where it changes nothing, whoever serves it writes the row.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is known of a call. Never a secret, never a spec: of what changed, only the names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Who asked: a token's name and id, or a user of this machine.
    pub who: String,
    /// From where.
    pub via: String,
    /// What was called, `MachineService/Put`.
    pub method: String,
    /// On what, `machine default/team-web/web-0`; empty where on nothing, or nobody got that far.
    pub object: String,
    /// The id the logs have for the call.
    pub request_id: String,
    /// `Ok`, or the name of the status code.
    pub outcome: String,
    /// What changed, by name, or why it was refused.
    pub detail: String,
}

/// The row of a call in the making; clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Trail(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    entry: Entry,
    is_written: bool,
}

/// The longest detail, in characters.
const DETAIL: usize = 400;

impl Trail {
    /// A row that begins as `entry`.
    pub fn new(entry: Entry) -> Self {
        Self(Arc::new(Mutex::new(State { entry, is_written: false })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says who called.
    pub fn note_who(&self, who: &str, via: &str) {
        let mut state = self.state();
        state.entry.who = who.to_owned();
        state.entry.via = via.to_owned();
    }

    /// Says what the call is about.
    pub fn note_object(&self, object: impl std::fmt::Display) {
        self.state().entry.object = object.to_string();
    }

    /// Says what changes, or why nothing does; cut where it is long.
    pub fn note_detail(&self, detail: &str) {
        let shown = |c: char| if c.is_control() { ' ' } else { c };
        self.state().entry.detail = detail.chars().map(shown).take(DETAIL).collect();
    }

    /// The row as it would be written now.
    pub fn entry(&self, outcome: &str) -> Entry {
        Entry { outcome: outcome.to_owned(), ..self.state().entry.clone() }
    }

    /// Was it written together with what it changed?
    pub fn is_written(&self) -> bool {
        self.state().is_written
    }

    pub(crate) fn mark_written(&self) {
        self.state().is_written = true;
    }
}
