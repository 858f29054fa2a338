//! One attribute: its name, shape, documentation, flags and rules.

use std::{fmt, sync::Arc};

use super::{AttrType, Modifier, Shape};
use crate::cty::{Path, Type, Value};

/// Who sets an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// The configuration must.
    Required,
    /// The configuration may; else it is null.
    Optional,
    /// The configuration may; else the provider does.
    OptionalComputed,
    /// Only the provider does.
    Computed,
}

/// What else is true of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// Not shown in plans.
    Sensitive,
    /// Read from the configuration, never stored.
    WriteOnly,
    /// A change of it replaces the object.
    RequiresReplace,
    /// While nothing says otherwise, its planned value is the prior one.
    Keep,
    /// The last parameter of a function, which takes all further arguments.
    Variadic,
}

/// Checks a known value; the error says what is wrong with it.
pub type Validator = Arc<dyn Fn(&Value, &Path) -> Result<(), String> + Send + Sync>;

/// One attribute.
#[derive(Clone)]
pub struct Attribute {
    name: String,
    description: String,
    shape: Shape,
    presence: Presence,
    flags: Vec<Flag>,
    deprecated: Option<String>,
    default: Option<Value>,
    validators: Vec<Validator>,
    modifiers: Vec<Modifier>,
}

impl Attribute {
    /// An attribute whose values are of type `T`, documented in Markdown.
    pub fn new<T: AttrType>(name: &str, description: &str, presence: Presence) -> Self {
        Self {
            name: name.to_owned(),
            description: description.to_owned(),
            shape: T::shape(),
            presence,
            flags: Vec::new(),
            deprecated: None,
            default: None,
            validators: Vec::new(),
            modifiers: Vec::new(),
        }
    }

    /// The same with another shape, for schemas put together by hand.
    #[must_use]
    pub fn shaped(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    /// The same with a flag.
    #[must_use]
    pub fn with(mut self, flag: Flag) -> Self {
        self.flags.push(flag);
        self
    }

    /// The same, deprecated; the text says what to use instead.
    #[must_use]
    pub fn deprecated(mut self, instead: &str) -> Self {
        self.deprecated = Some(instead.to_owned());
        self
    }

    /// The same with a value for when the configuration has none.
    #[must_use]
    pub fn default_value(mut self, value: Value) -> Self {
        self.default = Some(value);
        self
    }

    /// The same with a check of known values.
    #[must_use]
    pub fn check<T: AttrType>(
        mut self,
        check: impl Fn(&T) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.validators.push(Arc::new(move |value, at| match T::from_value(value, at) {
            Ok(value) => check(&value),
            // A value that is not known yet is checked once it is.
            Err(error) if error.is_unknown() => Ok(()),
            Err(error) => Err(error.to_string()),
        }));
        self
    }

    /// The same with a plan modifier.
    #[must_use]
    pub fn modify(mut self, modifier: Modifier) -> Self {
        self.modifiers.push(modifier);
        self
    }

    /// The name in configurations.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for, in Markdown.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Type or nested attributes.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The type of its values.
    pub fn ty(&self) -> Type {
        self.shape.ty()
    }

    /// Who sets it.
    pub fn presence(&self) -> Presence {
        self.presence
    }

    /// Whether the provider may set it.
    pub fn is_computed(&self) -> bool {
        matches!(self.presence, Presence::Computed | Presence::OptionalComputed)
    }

    /// Whether it has a flag.
    pub fn has(&self, flag: Flag) -> bool {
        self.flags.contains(&flag)
    }

    /// What to use instead, if it is deprecated.
    pub fn deprecation(&self) -> Option<&str> {
        self.deprecated.as_deref()
    }

    /// The value for when the configuration has none.
    pub fn default(&self) -> Option<&Value> {
        self.default.as_ref()
    }

    pub(crate) fn validators(&self) -> &[Validator] {
        &self.validators
    }

    pub(crate) fn modifiers(&self) -> &[Modifier] {
        &self.modifiers
    }
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attribute")
            .field("name", &self.name)
            .field("shape", &self.shape)
            .field("presence", &self.presence)
            .field("flags", &self.flags)
            .finish_non_exhaustive()
    }
}
