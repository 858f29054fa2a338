//! Machines and hosts: controllers, BMC drivers, DHCP, TFTP and HTTP boot. Knows core and nothing else of ours.
//!
//! - [`machine`], [`host`], [`config`]: the controllers, a file per state
//! - [`step`]: steps that the server does itself
//! - [`bmc`]: the drivers that power and boot hosts
//! - [`seed`]: what an installed system is told about itself
//! - [`http`]: the boot endpoint
//! - [`dhcp`], [`tftp`]: addresses and the first file of a network boot
//! - [`token`]: one-time tokens
//!
//! To add a BMC driver, see docs/adding-a-bmc-driver.md.

pub mod bmc;
pub mod config;
pub mod dhcp;
pub mod host;
pub mod http;
pub mod machine;
pub mod pool;
pub mod seed;
pub mod step;
#[cfg(test)]
mod testing;
pub mod tftp;
pub mod token;
mod webhook;
