//! The seed: a small file system image (label CIDATA) in a partition of its own at the end of the disk, where cloud-init
//! looks for it.
//!
//! - [`plan`]: where it goes, worked out from the image's first bytes before anything is written
//! - [`place`]: the same on the disk, after the image is there
//! - [`gpt`], [`mbr`]: the two partition tables; [`ends`]: the two ends of a disk, held in memory while they are changed
//!
//! Doing it twice gives the same disk. Partition tables are tenants' data: every number in them is checked.

pub mod ends;
pub mod gpt;
pub mod mbr;
pub mod place;
#[cfg(test)]
mod tests;

pub use place::{Error, HEAD, place, plan};
