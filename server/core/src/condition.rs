//! Conditions: what holds true of an object beside its state, by name, with the reason and since when.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One thing that holds true, or does not, with the reason and since when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// Of a host `Reachable`, `IdentityVerified`, `IdentityUnique`, `Quarantined`, `Intruder`, `Resident`,
    /// `DisksHealthy`; of a network `OnlyDhcpServer`.
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

/// Records a condition; `since` moves only when it turns from good to bad or back.
pub fn set(
    conditions: &mut Vec<Condition>,
    name: &str,
    health: Health,
    reason: impl Into<String>,
    now: Timestamp,
) {
    let reason = reason.into();
    match conditions.iter_mut().find(|condition| condition.name == name) {
        Some(condition) => {
            if condition.health != health {
                condition.since = now;
            }
            condition.health = health;
            condition.reason = reason;
        }
        None => conditions.push(Condition { name: name.into(), health, reason, since: now }),
    }
}
