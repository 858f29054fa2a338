//! A real server and a simulated rack: whole fleets from enrolled to ready and back, every fault of the rack once, and
//! the BMCs under a Redfish client that others wrote.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod faults;
mod fleet;
mod kills;
mod replay;
mod rig;
mod sushy;
