//! Host: one physical or virtual box that can be powered and booted.

mod awaited;
mod facts;
mod own_password;
mod spec;
mod state;
mod status;
mod tending;

pub use crate::condition::{Condition, Health};
pub use awaited::awaited;
pub use facts::Facts;
pub use own_password::{OWN_PASSWORD, OwnPassword};
pub use spec::{
    Address, Boot, BootMethod, Driver, Firmware, Identity, Ipmi, Manual, OnDestroy, Qemu, Redfish, Spec, Tls,
};
pub use state::State;
pub use status::Status;
pub use tending::{Purpose, Stage, Tending, Wish};

use crate::{Kind, Noun};

/// Marks hosts in the type system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host;

impl Noun for Host {
    const KIND: Kind = Kind::Host;
    type Spec = Spec;
    type State = State;
    type Status = Status;
}
