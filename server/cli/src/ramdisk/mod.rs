//! The agent's kernel and initramfs, made from a Debian kernel package and the agent's binary. No program is run for that
//! and nothing is installed: the package is read by this code alone. And the image of a disc that boots them.
//!
//! - [`build`]: the way through; [`Options`] in, [`Built`] out
//! - [`deb`]: members of a package (ar, tar); [`modinfo`]: what a module says of itself
//! - [`firmware`]: what the drivers ask the kernel for
//! - [`profile`]: which drivers are wanted; [`modules`]: those and what they need, and the tables the agent reads
//! - [`cpio`]: the initramfs (newc)
//! - [`uki`]: both in one EFI program; [`sign`]: that with a signature, for Secure Boot
//! - [`iso`]: the image for CDs and USB sticks, which other programs make; [`stick`]: what one is told of a server
//!
//! Invariant: the same package and agent give the same bytes.

mod build;
mod cpio;
mod deb;
mod firmware;
pub mod iso;
mod modinfo;
mod modules;
mod profile;
pub mod sign;
pub mod stick;
#[cfg(test)]
mod tests;
mod uki;

pub use build::{Built, Error, MAX_TOTAL, Options, build};
pub use firmware::Firmware;
pub use iso::Line;
