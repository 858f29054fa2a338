//! Machines that booted the agent without being enrolled: they report, are told apart, may become hosts by a pool's rule,
//! and wait in RAM until there is work for them.
//!
//! - [`register`]: hosts by their identities, pools by their rules, tokens of boot plans: all in memory, fed by whoever
//!   follows the store, so that a report costs no query
//! - [`seats`]: who waits now; [`notes`]: what was last written of whom; [`reports`]: what need not be sent again
//! - [`attend`]: one report, from the door to its answer; [`bind`]: a machine becomes a host; [`list`]: those without one; [`sweep`]: who is gone
//!
//! Invariant: a token leaves only for a machine that is one host's and no other's, that has a NIC the host's boot plan is
//! for, and only while that plan stands: it would have got the same token by booting over the network.

mod attend;
mod bind;
mod list;
mod notes;
mod register;
mod reports;
mod seats;
mod sweep;

pub(crate) use attend::{Report, attend, redeemed};
pub(crate) use list::list;
pub use register::Register;
