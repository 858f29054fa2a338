//! A real server and a simulated rack: whole fleets from enrolled to ready and back, and every fault of the rack once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod faults;
mod fleet;
mod rig;
