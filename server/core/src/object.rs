//! One object as it stands in the store: who it is, what is wanted, where it stands, what is known.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Brake, Failure, Incarnation, Key, Kind, Noun, ObjectId};

/// Identity and bookkeeping of an object, the same for all kinds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// The kind.
    pub kind: Kind,
    /// The id; never reused.
    pub id: ObjectId,
    /// The name under which it is found.
    pub key: Key,
    /// The token of the newest Create.
    pub incarnation: Incarnation,
    /// Has that incarnation been read back out of somebody's state?
    pub confirmed: bool,
    /// Counts spec changes and requested retries, from 1.
    pub generation: i64,
    /// The generation the engine has last brought to rest.
    pub observed_generation: i64,
    /// Position of the last change in commit order, over all objects.
    pub revision: i64,
    /// When it was first put.
    pub created_at: Timestamp,
    /// When its deletion was asked for.
    pub deleted_at: Option<Timestamp>,
    /// When it was gone for good; what is left is a tombstone.
    pub purged_at: Option<Timestamp>,
}

/// An object of a known kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Object<N: Noun> {
    /// Identity and bookkeeping.
    pub meta: Meta,
    /// Desired state.
    pub spec: N::Spec,
    /// Where its controller stands.
    pub state: N::State,
    /// Facts for readers.
    pub status: N::Status,
    /// How far it has come and what it waits for.
    pub progress: Standing,
}

/// How an object stands: what it waits for, since when, with what evidence, and what went wrong last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// When the present state was entered.
    pub since: Timestamp,
    /// When the evidence last moved; deadlines are counted from here.
    pub evidence_at: Timestamp,
    /// What it waits for, in a sentence.
    pub waiting_for: Option<String>,
    /// How much of the present step is done.
    pub amount: Option<Amount>,
    /// When the engine looks at it next, if nothing wakes it before.
    pub next_run_at: Option<Timestamp>,
    /// The failure that stands, if one does.
    pub failure: Option<Failure>,
    /// Where in the source the last decision was made (`file:line`).
    pub decided_at: String,
    /// The brake that holds it back, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Brake>,
    /// How often in a row the controller failed to come to a decision.
    pub attempts: i64,
}

/// How much of a step is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Done so far, in `unit`s.
    pub done: u64,
    /// All there is to do, in `unit`s; 0 where not known.
    pub total: u64,
    /// What is counted.
    pub unit: Unit,
}

/// The unit of an [`Amount`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Steps of work.
    Steps,
}
