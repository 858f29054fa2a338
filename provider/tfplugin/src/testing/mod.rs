//! A fake Terraform in memory that drives a provider's gRPC service and refuses what Terraform refuses.
//!
//! | file | what |
//! |---|---|
//! | `core.rs` | [`Core`]: objects in state, and one provider |
//! | `change.rs` | [`Change`]: what a plan came to |
//! | `lifecycle.rs` | refresh, plan, apply, destroy, taint, import |
//! | `calls.rs` | data sources, ephemeral resources, functions |
//! | `propose.rs` | what Terraform proposes as the next state |
//! | `rules.rs` | what Terraform demands of plans and results |
//! | `blocks.rs` | schemas back from the wire |
//! | `error.rs` | [`Error`]: the provider's own errors and [`Violation`]s |
//!
//! It follows Terraform 1.11: what it accepts Terraform accepts, in so far as the rules are those listed in `rules.rs`. It
//! has no configuration language: a configuration is a struct with `#[derive(Schema)]`, or a [`crate::cty::Value`].

mod blocks;
mod calls;
mod change;
mod core;
mod error;
mod lifecycle;
mod propose;
mod rules;

#[cfg(test)]
mod tests;

pub use self::{
    change::{Action, Change, Instance},
    core::Core,
    error::{Error, Rule, Violation},
};
