//! A real server and a simulated rack: whole fleets from enrolled to ready and back, every fault of the rack once, the way over
//! our own DHCP, TFTP and HTTP servers, by virtual media, what an operator is shown of them, and the BMCs under a Redfish client and an Ironic that
//! others wrote; servers that die, two of them at one database, full disks, clocks that are set, machines as slow as metal.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod check;
mod clocks;
mod events;
mod faults;
mod fleet;
mod full;
mod ironic;
mod kills;
mod media;
mod network_boot;
mod own_password;
mod pace;
mod replay;
mod rig;
mod servers;
mod sessions;
mod sushy;
mod validator;
mod vendors;
mod views;
mod waiting;
