//! What the host is made of, read from /sys and /proc. Reads only; a fact that is not there is left out, never guessed.
//!
//! - [`machine`]: SMBIOS, CPU, memory, firmware, TPM
//! - [`disks`]: block devices, with the names udev would give them ([`path`]) and why some must never be written
//! - [`nics`], the network interfaces; [`gpus`], accelerators on the PCI bus; [`pci`], all of it, and NUMA nodes
//! - [`dimms`], memory modules

pub mod dimms;
pub mod disks;
pub mod gpus;
pub mod machine;
pub mod nics;
pub mod path;
pub mod pci;
mod sysfs;
#[cfg(test)]
mod tests;

pub use machine::{Places, read};
