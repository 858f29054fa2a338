//! Plan modifiers of single attributes: rules that need only the attribute's own values.
//!
//! What depends on several attributes belongs into a resource's `modify_plan`.

use std::sync::Arc;

use crate::cty::Value;

/// What a plan modifier sees and changes.
#[derive(Debug)]
pub struct Modification<'a> {
    /// The value in the configuration.
    pub config: &'a Value,
    /// The value in state; `None` when the object is created.
    pub prior: Option<&'a Value>,
    /// The planned value. It may only be changed where the configuration has none and the attribute is computed.
    pub planned: &'a mut Value,
    /// Whether this change replaces the object; set it to require that.
    pub replace: bool,
}

/// A rule for one attribute of a plan.
pub type Modifier = Arc<dyn Fn(&mut Modification<'_>) + Send + Sync>;
