//! What the services need of other parts of the server, as traits that the composition root fills in.
//!
//! - [`power`]: switching hosts; the metal crate does it
//! - [`upload`]: sources of images that no URL serves, kept as files

mod power;
mod upload;

use std::sync::Arc;

use crate::discovery::Register;
pub use power::{PowerAction, PowerControl};
pub use upload::{Receiving, UploadDirectory, UploadError, Uploads};

/// The ports, filled in.
#[derive(Clone)]
pub struct Ports {
    /// Switches hosts.
    pub power: Arc<dyn PowerControl>,
    /// Knows hosts by their identities, and who waits; whoever follows the store feeds it.
    pub register: Arc<Register>,
    /// Keeps uploaded sources.
    pub uploads: Arc<dyn Uploads>,
}
