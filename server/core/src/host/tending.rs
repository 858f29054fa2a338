//! Tending: a host that no machine has is started with the agent, to wipe its disks or to look at what it is made of.
//!
//! While it is tended a host holds its own claim, which is given back only when all went well: a host that a machine let go
//! is never given out between two steps, nor before it is clean.

use serde::{Deserialize, Serialize};

use crate::cleaning::{Policy, Reason};

/// Why a host is tended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A machine let go of it, or its repair was asked for: its disks are wiped as its pool says.
    Clean(Reason),
    /// Somebody wants its inventory renewed; no disk is written to.
    Inspect,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It is switched off, to start from a known point.
    SwitchOff,
    /// It is switched on, to start the agent.
    SwitchOn,
    /// The agent is waited for.
    Boot,
    /// The agent wipes.
    Wipe,
    /// It is switched off; after that machines may have it.
    Finish,
}

/// One tending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tending {
    /// The fence of its boot.
    pub epoch: i64,
    /// Which of the host's ways to boot is tried, from 0.
    pub attempt: u32,
    /// Why.
    pub purpose: Purpose,
    /// How thoroughly its disks are wiped.
    pub policy: Policy,
    /// How far it is.
    pub stage: Stage,
    /// Serial numbers of the disks that were there when it began: each must be heard of.
    #[serde(default)]
    pub known: Vec<String>,
}

impl Tending {
    /// The same at another stage.
    #[must_use]
    pub fn at(&self, stage: Stage) -> Self {
        Self { stage, ..self.clone() }
    }

    /// Are disks wiped?
    pub fn wipes(&self) -> bool {
        matches!(self.purpose, Purpose::Clean(_)) && !self.policy.is_none()
    }
}

/// What an operator wants done with a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "wish", rename_all = "snake_case")]
pub enum Wish {
    /// No machine is to have it, until somebody clears it.
    Quarantine {
        /// Why, in the operator's words.
        reason: String,
    },
    /// Its inventory is to be renewed.
    Reinspect,
    /// It is mended: clean it and look at it, and machines may have it again if all went well.
    Repair,
}
