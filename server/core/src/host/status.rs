//! What is known of a host: facts, conditions, who has it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Facts;
use crate::{agent::Inventory, bmc::Power};

/// What readers see of a host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Power as last observed.
    pub power: Option<Power>,
    /// What the agent found at its last visit.
    pub inventory: Option<Inventory>,
    /// When that was.
    pub inventoried_at: Option<Timestamp>,
    /// What its driver told of its hardware.
    #[serde(default)]
    pub told: Facts,
    /// Name of the machine that holds it.
    pub machine: Option<String>,
    /// Guest TCP port -> reachable address, for QEMU hosts with user networking.
    pub forwards: BTreeMap<String, String>,
    /// The NIC it boots over, as enrolled or as given by the driver.
    pub boot_mac: Option<crate::Mac>,
    /// SHA-256 of the BMC certificate pinned at enrolment, hex.
    pub pinned_certificate: Option<String>,
    /// What holds true of it, by name.
    pub conditions: Vec<Condition>,
}

/// One thing that holds true, or does not, with the reason and since when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// `Reachable`, `IdentityVerified`, `Quarantined`, `Intruder`.
    pub name: String,
    /// Is that good or bad news?
    pub health: Health,
    /// Why, in a sentence with its evidence.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// Good or bad news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
}

impl Status {
    /// Record a condition; `since` moves only when it turns from good to bad or back.
    pub fn set_condition(&mut self, name: &str, health: Health, reason: impl Into<String>, now: Timestamp) {
        let reason = reason.into();
        match self.conditions.iter_mut().find(|condition| condition.name == name) {
            Some(condition) => {
                if condition.health != health {
                    condition.since = now;
                }
                condition.health = health;
                condition.reason = reason;
            }
            None => self.conditions.push(Condition { name: name.into(), health, reason, since: now }),
        }
    }
}
