//! Where a host stands with its controller.

use serde::{Deserialize, Serialize};

use super::{Purpose, Spec, Tending};
use crate::Failure;

/// The lifecycle of a host. Whether it is claimed is not a state: the claim stands in a table of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Known by name; its driver has not answered yet.
    #[default]
    Enrolling,
    /// Its driver answers; a machine can have it.
    Available,
    /// Its agent is started, to wipe its disks or to look around; it holds its own claim meanwhile.
    Tended {
        /// Why, and how far.
        tending: Tending,
    },
    /// Set aside: no machine may have it until somebody clears it.
    Quarantined {
        /// Why.
        failure: Failure,
        /// Digest of the spec it was set aside with. Another try of that spec is somebody's word that the host is
        /// mended; a change of its labels is not.
        #[serde(default)]
        spec: String,
    },
    /// Being destroyed: waiting for its machine to let go, then for the driver to forget it.
    Leaving,
}

impl State {
    /// Set aside because of `failure`, with this spec.
    pub fn quarantined(failure: Failure, spec: &Spec) -> Self {
        let text = serde_json::to_string(spec).unwrap_or_default();
        State::Quarantined { failure, spec: blake3::hash(text.as_bytes()).to_hex().to_string() }
    }
}

impl crate::State for State {
    fn phase(&self) -> &'static str {
        match self {
            State::Enrolling => "enrolling",
            State::Available => "available",
            State::Tended { tending } => match tending.purpose {
                Purpose::Clean(_) => "cleaning",
                Purpose::Inspect => "inspecting",
            },
            State::Quarantined { .. } => "quarantined",
            State::Leaving => "leaving",
        }
    }

    fn is_settled(&self) -> bool {
        matches!(self, State::Available | State::Quarantined { .. })
    }
}
