//! What the services need of other parts of the server, as traits that the composition root fills in.
//!
//! - [`power`]: switching hosts; the metal crate does it
//! - [`check`]: looking at a BMC, before or after a host is enrolled
//! - [`upload`]: sources of images that no URL serves, kept as files

mod check;
mod power;
mod upload;

use std::sync::Arc;

pub use check::BmcChecks;
pub use power::{PowerAction, PowerControl};
pub use upload::{Receiving, UploadDirectory, UploadError, Uploads};

use crate::discovery::Register;

/// The ports, filled in.
#[derive(Clone)]
pub struct Ports {
    /// Switches hosts.
    pub power: Arc<dyn PowerControl>,
    /// Looks at BMCs.
    pub checks: Arc<dyn BmcChecks>,
    /// Knows hosts by their identities, and who waits; whoever follows the store feeds it.
    pub register: Arc<Register>,
    /// Keeps uploaded sources.
    pub uploads: Arc<dyn Uploads>,
}
