//! What readers see of a machine: where it runs, how to reach it, what waits.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Aspect, Deployed};
use crate::{ObjectId, agent::Inventory, step};

/// What readers see of a machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The claimed host.
    pub host: Option<ObjectId>,
    /// Its name.
    pub host_name: Option<String>,
    /// What the agent found on it, at the last deployment.
    pub inventory: Option<Inventory>,
    /// The address the installed system called from.
    pub address: Option<String>,
    /// Guest TCP port -> reachable address, for QEMU hosts with user networking.
    pub forwards: BTreeMap<String, String>,
    /// SSH host public keys the installed system announced.
    pub ssh_host_keys: Vec<String>,
    /// Kernel name of the disk that was written.
    pub root_disk: Option<String>,
    /// Bytes written and milliseconds taken by the last imaging.
    pub written: Option<(u64, u64)>,
    /// What differs from the spec and waits for `redeploy.generation`.
    pub pending: BTreeSet<Aspect>,
    /// What is on the disk; cleared when the first byte of something else is written.
    pub deployed: Option<Deployed>,
    /// The epoch of the newest deployment, so that the next one's is higher.
    pub epoch: i64,
    /// Hosts that were given up for this machine before it was ready for the first time, newest last.
    #[serde(default)]
    pub given_up: Vec<String>,
    /// How often an image was put onto a disk for this machine.
    pub deployments: u64,
    /// What became of its steps, in the order in which they were begun.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<step::Record>,
}
