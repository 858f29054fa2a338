//! Wiping the disks of a host, each by the best method it has, with a proof that it forgot what was on it.
//!
//! - [`run`]: from order to report; [`one`]: one disk; [`sample`]: the blocks that are read back
//! - [`drive`]: what a disk can be told; [`nvme`], [`ata`]: what its firmware can
//!
//! Invariant: nothing is wiped before the host is known to be the one that is meant, and a disk counts as wiped only if
//! what was read back from it says so.

pub mod ata;
pub mod drive;
pub mod nvme;
pub mod one;
pub mod run;
pub mod sample;

pub use run::run;
