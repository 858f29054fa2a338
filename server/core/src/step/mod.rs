//! Step: a piece of work of the shop's own that a deployment does before or after it writes an image.
//!
//! - [`Spec`]: what is done, what goes in and what comes out, how often it is tried; `work.rs`: by whom
//! - [`Steps`]: which steps a pool or a machine names, in order; `course.rs`: how far a machine has come with them
//! - [`Record`]: what became of them, for readers; `input.rs`: what goes in

mod course;
mod input;
mod list;
mod record;
mod spec;
mod work;

pub use course::{Begun, Course, Ended, Planned, Result, Ticket};
pub use input::{BadInput, inputs, lacks, outputs};
pub use list::{Steps, When};
pub use record::{Attempt, Ending, Record, records};
pub use spec::{OnFailure, Retry, Spec, TIMEOUT};
pub use work::{Webhook, Work};

use serde::{Deserialize, Serialize};

use crate::{Kind, Noun};

/// Marks steps in the type system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step;

impl Noun for Step {
    const KIND: Kind = Kind::Step;
    type Spec = Spec;
    type State = State;
    type Status = Status;
}

/// Where a step stands: machines can name it as soon as it is put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Not looked at yet.
    #[default]
    Pending,
    /// Pools and machines can name it.
    Defined,
}

/// What readers see of a step; what became of it stands with the machines that it was done for.
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
