//! The agent's kernel and initramfs, made from a Debian kernel package and the agent's binary. No program is run and
//! nothing is installed: the package is read by this code alone.
//!
//! - [`build`]: the way through; [`Options`] in, [`Built`] out
//! - [`deb`]: members of a package (ar, tar); [`modinfo`]: what a module says of itself
//! - [`firmware`]: what the drivers ask the kernel for
//! - [`profile`]: which drivers are wanted; [`modules`]: those and what they need, and the tables the agent reads
//! - [`cpio`]: the initramfs (newc)
//!
//! Invariant: the same package and agent give the same bytes.

mod build;
mod cpio;
mod deb;
mod firmware;
mod modinfo;
mod modules;
mod profile;
#[cfg(test)]
mod tests;

pub use build::{Built, Error, MAX_TOTAL, Options, build};
pub use firmware::Firmware;
