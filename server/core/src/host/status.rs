//! What is known of a host: facts, conditions, who has it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Facts, OwnPassword};
use crate::{
    agent::{Inventory, changes::Change},
    bmc::Power,
    cleaning,
    condition::{self, Condition, Health},
    resident::Resident,
};

/// What readers see of a host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Power as last observed.
    pub power: Option<Power>,
    /// What the agent found at its last visit.
    pub inventory: Option<Inventory>,
    /// When that was.
    pub inventoried_at: Option<Timestamp>,
    /// Since when an agent waits in its RAM for work, where one does.
    #[serde(default)]
    pub waiting_since: Option<Timestamp>,
    /// What changed in its inventory, the newest last.
    #[serde(default)]
    pub changes: Vec<Change>,
    /// How its disks were wiped, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cleanings: Vec<cleaning::Record>,
    /// What its driver told of its hardware.
    #[serde(default)]
    pub told: Facts,
    /// Name of the machine that holds it.
    pub machine: Option<String>,
    /// Guest TCP port -> reachable address, for QEMU hosts with user networking.
    pub forwards: BTreeMap<String, String>,
    /// The NIC it boots over, as enrolled or as given by the driver.
    pub boot_mac: Option<crate::Mac>,
    /// The agent that lives on its installed system, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident: Option<Resident>,
    /// The password of its own that its BMC has or may have, where it was ever given one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_password: Option<OwnPassword>,
    /// SHA-256 of the BMC certificate pinned at enrolment, hex.
    pub pinned_certificate: Option<String>,
    /// What holds true of it, by name.
    pub conditions: Vec<Condition>,
}

impl Status {
    /// Record a condition; `since` moves only when it turns from good to bad or back.
    pub fn set_condition(&mut self, name: &str, health: Health, reason: impl Into<String>, now: Timestamp) {
        condition::set(&mut self.conditions, name, health, reason, now);
    }
}
