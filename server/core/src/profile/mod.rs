//! Profile: typed attributes that are injected into machines, and the files made of them.
//!
//! - [`Type`]: what a value must be; [`Spec`]: what a profile declares, gives and writes
//! - [`Template`]: text with places for values, which can do nothing but be filled in
//! - [`Inheritance`]: who gives a machine which value; `gather.rs` reads it

mod gather;
mod inherit;
mod spec;
mod template;
mod ty;

pub use inherit::{FILES, Given, Inheritance, Lender, Origin, Resolved};
pub use spec::{Content, Declaration, File, SECRET_VALUES, SecretValues, Spec, Values};
pub(crate) use spec::{check_names, validate_values};
pub use template::{Template, TemplateError};
pub use ty::{BadType, Type};

use serde::{Deserialize, Serialize};

use crate::{Kind, Noun};

/// Marks profiles in the type system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile;

impl Noun for Profile {
    const KIND: Kind = Kind::Profile;
    type Spec = Spec;
    type State = State;
    type Status = Status;
}

/// Where a profile stands: machines can name it as soon as it is put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Not looked at yet.
    #[default]
    Pending,
    /// Machines can name it.
    Defined,
}

/// What readers see of a profile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {}

impl crate::State for State {
    fn phase(&self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Defined => "defined",
        }
    }

    fn is_settled(&self) -> bool {
        matches!(self, State::Defined)
    }
}
