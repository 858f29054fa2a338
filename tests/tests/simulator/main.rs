//! A real server and a simulated rack: whole fleets from enrolled to ready and back, every fault of the rack once,
//! the way over our own DHCP, TFTP and HTTP servers, what an operator is shown of them, and the BMCs under a Redfish client and
//! an Ironic that others wrote.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod events;
mod faults;
mod fleet;
mod ironic;
mod network_boot;
mod rig;
mod sushy;
mod views;
