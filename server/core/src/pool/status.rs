//! Where a pool stands, and what is in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ObjectId;

/// Where a pool stands: it gives out hosts as soon as it is put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Not looked at yet.
    #[default]
    Pending,
    /// It gives out hosts.
    Open,
}

/// What readers see of a pool; the numbers follow within a second or so.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Hosts in it.
    pub hosts: u64,
    /// Of these, free to be claimed.
    pub free: u64,
    /// Claimed by machines.
    pub claimed: u64,
    /// Set aside.
    pub quarantined: u64,
    /// Machines that wait for a host of this pool.
    pub waiting: u64,
    /// Machines whose work is interrupted now.
    pub disrupted: u64,
    /// Why machines that wait got no host at the last look; of the first few hundred.
    pub unmet: BTreeMap<ObjectId, String>,
}

impl crate::State for State {
    fn phase(&self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Open => "open",
        }
    }

    fn is_settled(&self) -> bool {
        matches!(self, State::Open)
    }
}
