//! A real server and a simulated rack: whole fleets from enrolled to ready and back, every fault of the rack once, the BMCs
//! under a Redfish client that others wrote; servers that die, two of them at one database, full disks, clocks that are
//! set, machines as slow as metal.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod clocks;
mod faults;
mod fleet;
mod full;
mod kills;
mod pace;
mod replay;
mod rig;
mod servers;
mod sushy;
