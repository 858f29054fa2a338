//! What BMCs were asked to change, by whom and when: the rack's own word on who drove a machine.
//!
//! It is bounded: a fleet is told by its beginning.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::time::Instant;

/// More than this are not noted.
const MOST: usize = 10_000;

/// One request for a change.
#[derive(Clone, Debug, Serialize)]
pub struct Asked {
    /// Which machine.
    pub machine: String,
    /// Method and path.
    pub what: String,
    /// Who, as its `User-Agent` says.
    pub who: String,
    /// When it came, in milliseconds since the rack was there.
    pub from_ms: u128,
    /// When it was answered; none where it is not, or whoever asked has left.
    pub to_ms: Option<u128>,
    /// With which status.
    pub status: Option<u16>,
}

/// All of them.
#[derive(Debug)]
pub struct Ledger {
    began: Instant,
    list: Mutex<Vec<Asked>>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { began: Instant::now(), list: Mutex::default() }
    }
}

impl Ledger {
    /// A request has come; what it is to be answered by, if it is noted.
    pub(super) fn came(&self, machine: String, what: String, who: String) -> Option<usize> {
        let from_ms = self.began.elapsed().as_millis();
        let mut list = self.list();
        (list.len() < MOST).then(|| {
            list.push(Asked { machine, what, who, from_ms, to_ms: None, status: None });
            list.len() - 1
        })
    }

    /// It is answered.
    pub(super) fn answered(&self, which: Option<usize>, status: u16) {
        let to_ms = Some(self.began.elapsed().as_millis());
        if let Some(asked) = self.list().get_mut(which.unwrap_or(MOST)) {
            (asked.to_ms, asked.status) = (to_ms, Some(status));
        }
    }

    /// Every one, in order.
    pub fn all(&self) -> Vec<Asked> {
        self.list().clone()
    }

    fn list(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
