//! A scripted BMC in memory, for the tests of whoever drives one. It never touches anything real.
//!
//! - `client`: [`Fake`], which keeps power, next boot and a log of calls, and [`Fakes`], which hands them out by host
//! - `quirks`: the faults it can be given

mod client;
mod quirks;
#[cfg(test)]
mod tests;

pub use client::{Call, FACTORY, Fake, Fakes, Medium};
pub use quirks::{Fault, Times};
