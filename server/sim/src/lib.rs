//! A rack held in memory that speaks the real protocols: its BMCs answer Redfish, its firmware boots over the network,
//! its agents take orders over mutual TLS, its installed systems call home. The server cannot tell it from metal.
//!
//! - [`rack`]: the machines of one rack, what they share, and the inventory that is written for whoever enrols them
//! - [`machine`]: hardware, power, boot order, disks, and the life from power-on to rest
//! - [`models`]: what a vendor's machine and its BMC are like; a file per vendor
//! - [`bmc`]: the Redfish service of every BMC behind one socket
//! - [`boot`]: firmware and its network: HTTP, iPXE scripts, DHCP
//! - [`agent`]: the program the boot script starts; [`system`]: the system it installs
//! - [`control`]: the socket over which a person presses buttons and breaks things
//! - [`fault`]: what goes wrong, by rule or by a seed; [`pace`]: how long everything takes
//!
//! Nothing is kept: a rack that is started again is off, and its disks are blank. No kernel runs, so nothing here proves
//! that an image boots: a disk counts as bootable when it holds every verified segment of an image with a partition
//! table, and a seed.
//!
//! To add a vendor, put a file beside the others in `models/` and name it in `models/mod.rs`.

pub mod agent;
pub mod bmc;
pub mod boot;
pub mod control;
mod dice;
pub mod fault;
pub mod machine;
pub mod models;
pub mod pace;
pub mod rack;
pub mod system;
