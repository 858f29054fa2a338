//! Site: a place. So far it says what the attributes of its machines are where nobody closer to them does.

use serde::{Deserialize, Serialize};

use crate::{FieldError, Kind, Noun, profile::Values};

/// Marks sites in the type system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site;

impl Noun for Site {
    const KIND: Kind = Kind::Site;
    type Spec = Spec;
    type State = State;
    type Status = Status;
}

/// Desired state of a site. Its name is that of the place that it and everything in it is keyed by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spec {
    /// Values of attributes, for every machine of the site whose profiles declare them.
    pub values: Values,
}

/// Where a site stands: it counts as soon as it is put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Not looked at yet.
    #[default]
    Pending,
    /// Its values count.
    Known,
}

/// What readers see of a site.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {}

impl crate::Spec for Spec {
    fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        crate::profile::validate_values(&self.values, &mut errors);
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

impl crate::State for State {
    fn phase(&self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Known => "known",
        }
    }

    fn is_settled(&self) -> bool {
        matches!(self, State::Known)
    }
}
