//! What every noun has: a spec that users write, a state that only the engine writes, and a status that is read.

use std::fmt::Debug;

use serde::{Serialize, de::DeserializeOwned};

use crate::{FieldError, Kind};

/// A kind of object with its typed columns. Implemented by the marker types [`crate::host::Host`] and its like.
pub trait Noun: Send + Sync + 'static {
    /// Which kind this is.
    const KIND: Kind;
    /// Desired state; written by the API alone.
    type Spec: Spec;
    /// Where the controller stands; written by the engine alone, persisted whole.
    type State: State;
    /// Facts and conditions for readers; written by the engine alone.
    type Status: Data + Default;
}

/// Anything kept as JSON in a column.
pub trait Data: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static> Data for T {}

/// Desired state of one noun.
pub trait Spec: Data {
    /// Everything that is wrong with the spec on its own, before any other object is looked at.
    ///
    /// # Errors
    /// Every fault found, each with its attribute path.
    fn validate(&self) -> Result<(), Vec<FieldError>>;

    /// The objects this one names; a change of any of them wakes its controller.
    fn references(&self) -> Vec<Reference> {
        Vec::new()
    }
}

/// A persisted enum state; a new object starts in the default one.
pub trait State: Data + Default {
    /// The word shown to people for this state: `pending`, `imaging`, `ready`.
    fn phase(&self) -> &'static str;

    /// Is there nothing left to do until something changes?
    fn is_settled(&self) -> bool;
}

/// A mention of another object by name within the same site.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Reference {
    /// The kind of the object named.
    pub kind: Kind,
    /// Its name, `name` in the same owner or `owner/name`.
    pub name: String,
    /// The attribute that names it.
    pub attribute: String,
    /// What the mention means.
    pub bond: Bond,
}

/// What it means that one object names another.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Bond {
    /// It needs the other, which must exist and whose changes wake it.
    #[default]
    Needs,
    /// It is one of the other's members: the other need not exist, and its own changes wake the other.
    Belongs,
}

impl Bond {
    /// The word used in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Bond::Needs => "needs",
            Bond::Belongs => "belongs",
        }
    }
}

impl Reference {
    /// `kind` `name` is needed, as `attribute` says.
    pub fn new(kind: Kind, name: impl Into<String>, attribute: impl Into<String>) -> Self {
        Self { kind, name: name.into(), attribute: attribute.into(), bond: Bond::Needs }
    }

    /// It is a member of `kind` `name`, as `attribute` says.
    pub fn member_of(kind: Kind, name: impl Into<String>, attribute: impl Into<String>) -> Self {
        Self { bond: Bond::Belongs, ..Self::new(kind, name, attribute) }
    }
}
