//! Where content comes from: a name looked up, never a path walked.

use std::{collections::HashMap, path::PathBuf};

use async_trait::async_trait;
use bytes::Bytes;

/// The content of one name.
#[derive(Clone, Debug)]
pub enum Content {
    /// In memory, shared by all who read it: right for loaders.
    Bytes(Bytes),
    /// A file, whose size when the transfer starts is what is sent.
    File(PathBuf),
}

/// Knows every name that is served.
#[async_trait]
pub trait Files: Send + Sync {
    /// The content of a name; none if it is not served.
    async fn open(&self, name: &str) -> Option<Content>;
}

/// A fixed set of names.
#[derive(Clone, Debug, Default)]
pub struct Fixed(pub HashMap<String, Content>);

#[async_trait]
impl Files for Fixed {
    async fn open(&self, name: &str) -> Option<Content> {
        self.0.get(name).cloned()
    }
}
