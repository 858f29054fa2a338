//! How far a machine has come with its steps. It is kept in the machine's state, so that whoever goes on after a crash knows
//! which try had begun.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::When;
use crate::{ObjectId, profile::Values};

/// The steps of one part of a deployment, and how far they have come. Which steps there are is settled when it begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Course {
    /// Which part.
    pub when: When,
    /// What is to be done, in order.
    pub steps: Vec<Planned>,
    /// The one that is done now.
    pub at: usize,
    /// Which try of it, from 1.
    pub attempt: u32,
    /// Set once that try may have been begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<Begun>,
    /// Not tried before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
}

/// A step that is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// As a pool or the machine names it.
    pub name: String,
    /// The step.
    pub id: ObjectId,
}

/// A try that may have been begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// When that was decided.
    pub at: Timestamp,
    /// The server that was to begin it; each start of one has another.
    pub by: Uuid,
}

/// Names one try of one step of one deployment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ticket {
    /// The machine.
    pub machine: ObjectId,
    /// The epoch of the deployment.
    pub epoch: i64,
    /// Before or after it.
    pub when: When,
    /// Which of the steps.
    pub at: usize,
    /// Which try, from 1.
    pub attempt: u32,
    /// When it was begun: another try of the same number, after somebody asked again, is another.
    pub begun_at: Timestamp,
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Which.
    pub ticket: Ticket,
    /// How.
    pub result: Result,
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Result {
    /// It went well, and this came out.
    Done {
        /// By name; not checked yet.
        #[serde(default)]
        outputs: Values,
    },
    /// It did not.
    Failed {
        /// Why, in words.
        why: String,
    },
}

impl Course {
    /// All of them, from the first; `None` where there are none.
    pub fn new(when: When, steps: Vec<Planned>) -> Option<Self> {
        let course = Self { when, steps, at: 0, attempt: 1, begun: None, not_before: None };
        course.present().is_some().then_some(course)
    }

    /// The step that is done now; `None` once all are done.
    pub fn present(&self) -> Option<&Planned> {
        self.steps.get(self.at)
    }

    /// The same, with the present try begun.
    pub fn beginning(&self, begun: Begun) -> Self {
        Self { begun: Some(begun), not_before: None, ..self.clone() }
    }

    /// The same, before the next try of the present step.
    pub fn again(&self, not_before: Timestamp) -> Self {
        Self { attempt: self.attempt + 1, begun: None, not_before: Some(not_before), ..self.clone() }
    }

    /// The same, before the next step.
    pub fn onward(&self) -> Self {
        Self { at: self.at + 1, attempt: 1, begun: None, not_before: None, ..self.clone() }
    }

    /// The name of the present try of `machine` in the deployment of `epoch`, once it is begun.
    pub fn ticket(&self, machine: ObjectId, epoch: i64) -> Option<Ticket> {
        let (when, at, attempt) = (self.when, self.at, self.attempt);
        self.begun.map(|begun| Ticket { machine, epoch, when, at, attempt, begun_at: begun.at })
    }
}

impl Ticket {
    /// The same for every try of the step in this deployment: whoever is asked twice knows that it is one wish.
    pub fn idempotency_key(&self) -> String {
        format!("{}-{}-{}-{}", self.machine, self.epoch, self.when.as_str(), self.at)
    }
}
