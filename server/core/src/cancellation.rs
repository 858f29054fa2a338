//! The wish to stop an operation. It means one generation of one object, and is void for every later one.

use jiff::Timestamp;

/// How far the operation may have come for the wish still to be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Only while nothing may have been written to a disk.
    Written,
    /// Also then: what is on the disk is lost.
    TheEnd,
}

/// Somebody wants an operation stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancellation {
    /// The generation whose operation is meant.
    pub generation: i64,
    /// Who wants it.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
    /// What they said about it; may be empty.
    pub reason: String,
    /// How far it may have come.
    pub until: Until,
}

impl Cancellation {
    /// Who and why, in a few words.
    pub fn words(&self) -> String {
        match self.reason.as_str() {
            "" => format!("cancelled by {}", self.by),
            reason => format!("cancelled by {}: {reason}", self.by),
        }
    }
}
