//! Machine: the claim on one host plus what runs on it.

mod claim;
mod disruption;
mod network;
mod spec;
mod state;
mod status;
pub mod volume;

pub use claim::{DiskNeed, Require, Spread, SpreadMode};
pub use disruption::{Allowance, Aspect, Change, Disruption, plan};
pub use network::{Address, Bond, Dns, Network, Vlan};
pub use spec::{ADOPTED, Redeploy, RootHint, Spec, USER_DATA, WaitFor};
pub use state::{Deployed, Run, State, Takeover};
pub use status::Status;
pub use volume::{Filesystem, Keep, Layout, Volume};

use crate::{Kind, Noun};

/// Marks machines in the type system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine;

impl Noun for Machine {
    const KIND: Kind = Kind::Machine;
    type Spec = Spec;
    type State = State;
    type Status = Status;
}
