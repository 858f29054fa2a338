//! What create, update and modify_plan are given.

use crate::cty::Path;

/// An object to make.
#[derive(Debug, Clone)]
pub struct New<M> {
    /// What Terraform planned. Attributes that are unknown are the provider's to fill in.
    pub plan: M,
    /// What the configuration says. Only here are write-only attributes readable.
    pub config: M,
}

/// An object to change.
#[derive(Debug, Clone)]
pub struct Change<M> {
    /// Its state before.
    pub prior: M,
    /// What Terraform planned. Attributes that are unknown are the provider's to fill in.
    pub plan: M,
    /// What the configuration says. Only here are write-only attributes readable.
    pub config: M,
}

/// A plan in the making. Edit `planned`; only computed attributes that the configuration leaves out may change.
#[derive(Debug, Clone)]
pub struct Plan<M> {
    /// What the configuration says; values may be unknown.
    pub config: M,
    /// The state before; `None` when the object is to be created, also as the second half of a replacement.
    pub prior: Option<M>,
    /// What is planned so far.
    pub planned: M,
    pub(crate) replace: Vec<Path>,
}

impl<M> Plan<M> {
    /// Whether the object is to be created.
    pub fn is_create(&self) -> bool {
        self.prior.is_none()
    }

    /// Replaces the object because of this attribute.
    pub fn require_replace(&mut self, path: impl Into<Path>) {
        self.replace.push(path.into());
    }
}
