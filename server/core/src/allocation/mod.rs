//! Which host does a machine get? A pure function of what machines need and what hosts are, so that a plan can be shown
//! what an apply will do, and the same question always has the same answer.
//!
//! - [`candidate`]: a host that may be given; [`fit`]: does one host meet one need; [`choose`]: who gets which

pub mod candidate;
pub mod choose;
pub mod fit;

pub use candidate::{Availability, Candidate};
pub use choose::{Answer, Nothing, Placed, Want, choose};
pub use fit::{Misfit, fits};

#[cfg(test)]
mod tests;
