//! Objects in state, and what a plan for one came to.

use crate::{Diagnostics, cty::Path, cty::Value, proto::tfplugin6 as pb};

/// An object in state.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// Its state.
    pub state: Value,
    /// Whether the next plan replaces it because its creation failed.
    pub tainted: bool,
    pub(super) private: Vec<u8>,
    pub(super) identity: Option<Value>,
    pub(super) schema_version: i64,
}

impl Instance {
    /// What names it apart from its state, if its resource has identities.
    pub fn identity(&self) -> Option<&Value> {
        self.identity.as_ref()
    }
}

/// What a plan does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    NoOp,
    /// Makes the object.
    Create,
    /// Changes it in place.
    Update,
    /// Destroys it and makes another.
    Replace,
    /// Destroys it.
    Destroy,
}

/// A plan for one object.
#[derive(Debug, Clone)]
pub struct Change {
    /// The object, as `TYPE.NAME`.
    pub address: String,
    /// What it does.
    pub action: Action,
    /// The state it plans; null when it destroys.
    pub planned: Value,
    /// The attributes that force a replacement.
    pub replace: Vec<Path>,
    /// What the provider said while planning: warnings, since errors end a plan.
    pub diagnostics: Diagnostics,
    pub(super) config: Value,
    pub(super) private: Vec<u8>,
    pub(super) identity: Option<pb::ResourceIdentityData>,
}
