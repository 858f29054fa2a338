//! What the host is made of, read from /sys and /proc, and asked of disks and the TPM. Reads only; a fact that is not there is
//! left out, never guessed.
//!
//! - [`machine`]: SMBIOS, CPU, memory, firmware, TPM
//! - [`disks`]: block devices, with the names udev would give them ([`path`]) and why some must never be written
//! - [`nics`], the network interfaces; [`gpus`], accelerators on the PCI bus; [`pci`], all of it, and NUMA nodes
//! - [`dimms`], memory modules
//! - [`asked`]: what only the hardware itself can say ([`health`] of disks, the TPM's key), asked in the [`background`]

pub mod asked;
pub mod background;
pub mod dimms;
pub mod disks;
pub mod gpus;
pub mod health;
pub mod machine;
pub mod nics;
pub mod path;
pub mod pci;
mod sysfs;
#[cfg(test)]
mod tests;

pub use machine::{Places, read};
