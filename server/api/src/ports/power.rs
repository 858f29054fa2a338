//! Switching a host by hand.

use async_trait::async_trait;
use underlay_core::{Object, ObjectId, bmc, host::Host};

/// What to do to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerAction {
    /// Switch it on.
    On,
    /// Switch it off.
    Off,
    /// Off, then on.
    Cycle,
    /// Only ask the driver what it sees.
    Observe,
}

/// Switches hosts. The caller has checked that nobody is deploying on it.
#[async_trait]
pub trait PowerControl: Send + Sync + 'static {
    /// Does it, and returns the host with its power as the driver reports it then.
    ///
    /// # Errors
    /// What the driver said.
    async fn power(&self, host: ObjectId, action: PowerAction) -> Result<Object<Host>, bmc::Error>;

    /// The end of what the host's serial port says; none where its driver does not see it.
    ///
    /// # Errors
    /// What the driver said.
    async fn serial(&self, host: ObjectId) -> Result<Option<String>, bmc::Error>;

    /// What the host's screen shows, a PNG.
    ///
    /// # Errors
    /// What the driver said; that it does not see the screen, too.
    async fn screenshot(&self, host: ObjectId) -> Result<Vec<u8>, bmc::Error>;
}
