//! The attributes of a machine that took a system as it stands, on their way to the agent that lives there: the files in
//! which a deployment would have put them.
//!
//! They may hold secrets, so nothing prints what is in them; who gave which version of what is what [`fingerprint`] is of.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    ObjectId,
    machine::{Aspect, Deployed},
};

/// Files to write in place of those that were written before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// Tells these from others.
    pub fingerprint: String,
    /// All of them.
    pub files: Vec<File>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Absolute.
    pub path: String,
    /// What is in it.
    pub content: Content,
    /// Octal.
    pub mode: String,
    /// `USER:GROUP`.
    pub owner: String,
}

/// Text that may hold secrets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Content(pub String);

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// Tells the attributes of `machine`, as `deployed` names them, from all others. It is of versions and names, never of a secret,
/// which could be guessed from a digest.
pub fn fingerprint(machine: ObjectId, deployed: &Deployed) -> String {
    let parts = [Aspect::Config, Aspect::Values].map(|aspect| deployed.digests.get(&aspect));
    let text = serde_json::json!([machine, parts]).to_string();
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_file_is_not_printed() {
        let content = Content("s3cret".into());
        let (path, mode, owner) = ("/etc/a".into(), "0600".into(), "root:root".into());
        let printed = format!("{:?}", File { path, content, mode, owner });
        assert!(!printed.contains("s3cret") && printed.contains("6 bytes"), "{printed}");
    }
}
