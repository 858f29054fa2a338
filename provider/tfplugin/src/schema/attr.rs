//! The value of one attribute in Rust: null, unknown or known.
//!
//! Unknown appears while planning, when a value comes from something not built yet. Code that plans must expect it; create,
//! update and read see it only in computed attributes of a plan.

use crate::{Diagnostic, Diagnostics};

/// An attribute's value.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attr<T> {
    /// Not set.
    #[default]
    Null,
    /// Set, but not known until apply.
    Unknown,
    /// Set and known.
    Value(T),
}

/// A value was needed that is null or not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a value is needed here that is not set or not known yet")]
pub struct NotKnown;

impl<T> Attr<T> {
    /// The value, if there is one.
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Null | Self::Unknown => None,
        }
    }

    /// The value, if there is one, taken out.
    pub fn into_option(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Null | Self::Unknown => None,
        }
    }

    /// A borrowed view.
    pub fn as_ref(&self) -> Attr<&T> {
        match self {
            Self::Null => Attr::Null,
            Self::Unknown => Attr::Unknown,
            Self::Value(value) => Attr::Value(value),
        }
    }

    /// The value, which the schema promises to be there: a required attribute at apply.
    ///
    /// # Errors
    /// It is null or unknown after all. `?` turns this into an error diagnostic.
    pub fn require(&self) -> Result<&T, NotKnown> {
        self.get().ok_or(NotKnown)
    }

    /// The value, or another in its place.
    pub fn unwrap_or(self, other: T) -> T {
        self.into_option().unwrap_or(other)
    }

    /// The value, or the type's default.
    pub fn unwrap_or_default(self) -> T
    where
        T: Default,
    {
        self.into_option().unwrap_or_default()
    }

    /// Another value made from this one; null and unknown stay what they are.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Attr<U> {
        match self {
            Self::Null => Attr::Null,
            Self::Unknown => Attr::Unknown,
            Self::Value(value) => Attr::Value(f(value)),
        }
    }

    /// An attribute of a nested object; null and unknown stay what they are.
    pub fn and_then<U>(self, f: impl FnOnce(T) -> Attr<U>) -> Attr<U> {
        match self {
            Self::Null => Attr::Null,
            Self::Unknown => Attr::Unknown,
            Self::Value(value) => f(value),
        }
    }

    /// Whether it is not set.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether it is not known until apply.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }

    /// Whether there is a value.
    pub fn is_value(&self) -> bool {
        matches!(self, Self::Value(_))
    }
}

impl Attr<String> {
    /// The text, empty if there is none.
    pub fn as_str(&self) -> &str {
        self.get().map_or("", String::as_str)
    }
}

impl<T> From<T> for Attr<T> {
    fn from(value: T) -> Self {
        Self::Value(value)
    }
}

impl From<&str> for Attr<String> {
    fn from(text: &str) -> Self {
        Self::Value(text.to_owned())
    }
}

/// `None` is null.
impl<T> From<Option<T>> for Attr<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Self::Value)
    }
}

impl From<NotKnown> for Diagnostic {
    fn from(error: NotKnown) -> Self {
        Self::error("Value not available", error.to_string())
    }
}

impl From<NotKnown> for Diagnostics {
    fn from(error: NotKnown) -> Self {
        Diagnostic::from(error).into()
    }
}
