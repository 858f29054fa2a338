//! Why those who wait got nothing yet, kept where each of them can read it.

use underlay_core::{ObjectId, pool::Status};

/// How many answers are kept; whoever is beyond that is told how many are before it.
const KEPT: usize = 256;

/// Keeps the answer of `machine`.
pub(super) fn note(status: &mut Status, machine: ObjectId, text: String) {
    if status.unmet.len() < KEPT {
        status.unmet.insert(machine, text);
    }
}
