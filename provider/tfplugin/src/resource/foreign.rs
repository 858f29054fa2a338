//! State that comes from elsewhere: import and move.

use serde_json::Value as Json;

use crate::{
    Diagnostics, Schema,
    cty::{Path, Value},
    schema::AttrType,
};

/// How the user named an object to import.
#[derive(Debug, Clone, PartialEq)]
pub enum ImportId {
    /// A text, as in `terraform import ADDRESS ID`.
    Id(String),
    /// An identity, as in an `import` block of Terraform 1.12 and newer.
    Identity(Value),
}

impl ImportId {
    /// The identity as a struct; `None` if the user gave a text.
    ///
    /// # Errors
    /// It has another shape.
    pub fn identity<I: Schema>(&self) -> Result<Option<I>, Diagnostics> {
        match self {
            Self::Id(_) => Ok(None),
            Self::Identity(value) => Ok(Some(I::from_value(value, &Path::root())?)),
        }
    }
}

/// The state of another resource type, to be taken over.
#[derive(Debug, Clone)]
pub struct MoveSource {
    /// The provider it comes from, such as `registry.terraform.io/hashicorp/null`.
    pub provider: String,
    /// The type it comes from.
    pub type_name: String,
    /// The version of its schema.
    pub schema_version: i64,
    /// The state as that provider wrote it.
    pub state: Json,
}
