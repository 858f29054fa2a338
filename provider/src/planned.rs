//! What else the present plan changes, so that a machine is not refused for an image or a host that is made before it.
//!
//! Terraform plans what an object refers to before the object itself, in the same process. What is noted here only quiets
//! objections of a Preview, which knows the present and not the plan; the Put is judged anew.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

/// Objects that this plan creates or changes.
#[derive(Debug, Default)]
pub(crate) struct Planned(Mutex<HashSet<(&'static str, String)>>);

impl Planned {
    /// Notes that the plan creates or changes an object.
    pub(crate) fn note(&self, kind: &'static str, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((kind, name.to_owned()));
    }

    /// Whether the plan creates or changes any object of that kind.
    pub(crate) fn has_any(&self, kind: &'static str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|(noted, _)| *noted == kind)
    }

    /// Whether the plan creates or changes it. A name may be `OWNER/NAME`.
    pub(crate) fn has(&self, kind: &'static str, name: &str) -> bool {
        let name = name.rsplit('/').next().unwrap_or(name).to_owned();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&(kind, name))
    }
}
