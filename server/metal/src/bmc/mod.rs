//! BMC drivers: the power and boot control of hosts, one driver per way of speaking to a box.
//!
//! - [`Drivers`] finds the driver a host's spec names; [`queue`] lets one call at a time through to each BMC, `budget` so many power changes
//! - [`gate`]: no call that changes anything while a brake stands
//! - [`redfish`]: a BMC that speaks Redfish; [`ipmi`]: one that speaks IPMI; [`manual`]: a webhook or a person;
//!   [`qemu`]: a QEMU machine on the server itself
//! - `none`: no driver at all, for hosts that were adopted while they ran
//! - [`fake`]: a scripted BMC for the tests of whoever drives one
//! - `conformance`: what every driver must hold, as one suite
//!
//! Decides nothing: which power and which boot a host should have is its controller's business.
//!
//! To add a driver, see docs/adding-a-bmc-driver.md.

mod budget;
#[cfg(test)]
mod conformance;
mod drivers;
pub mod fake;
pub(crate) mod gate;
pub mod ipmi;
pub mod manual;
mod none;
pub mod qemu;
mod queue;
pub mod redfish;

pub use drivers::{Config, Drivers};
pub use gate::Gate;
pub use underlay_core::bmc::Login;
