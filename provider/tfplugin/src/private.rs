//! Private state: notes a provider keeps beside an object's state, which users do not see and cannot reference.
//!
//! On the wire it is one JSON object. Not a place for secrets: state files hold it.

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value as Json;

/// Named notes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Private(BTreeMap<String, Json>);

impl Private {
    /// The notes in these bytes. Bytes another program wrote read as no notes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        Self(serde_json::from_slice(bytes).unwrap_or_default())
    }

    /// No bytes for no notes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        if self.0.is_empty() { Vec::new() } else { serde_json::to_vec(&self.0).unwrap_or_default() }
    }

    /// The note under a name, if there is one of this type.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_value(self.0.get(name)?.clone()).ok()
    }

    /// Writes a note.
    ///
    /// # Errors
    /// The type has no JSON form.
    pub fn set<T: Serialize>(&mut self, name: &str, note: &T) -> Result<(), serde_json::Error> {
        self.0.insert(name.to_owned(), serde_json::to_value(note)?);
        Ok(())
    }

    /// Drops a note.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }
}
