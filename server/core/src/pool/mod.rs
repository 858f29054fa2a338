//! Pool: where machines come from, and how many of them may be disturbed at once.

pub mod bind;
mod spec;
mod status;
mod trust;

pub use spec::{Limit, LimitError, Spec};
pub use status::{State, Status};
pub use trust::Trust;

use crate::{Kind, Noun};

/// Marks pools in the type system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool;

impl Noun for Pool {
    const KIND: Kind = Kind::Pool;
    type Spec = Spec;
    type State = State;
    type Status = Status;
}
