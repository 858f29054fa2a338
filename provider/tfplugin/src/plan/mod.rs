//! The steps every plan and every result goes through, so that no resource has to write them.
//!
//! | file | what |
//! |---|---|
//! | `walk.rs` | visits each attribute of configuration, prior state and plan side by side, nested ones included |
//! | `steps.rs` | defaults, write-only, unknown marking, plan modifiers, replacement |
//! | `check.rs` | validators |
//! | `settle.rs` | a result made fit to be stored |
//! | `overlay.rs` | edits written back without touching the rest |
//!
//! Values only; nothing here knows about Rust structs or gRPC.

mod check;
mod overlay;
mod settle;
mod steps;
mod walk;

pub(crate) use check::validate;
pub(crate) use overlay::overlay;
pub(crate) use settle::{hide_write_only, keep_number_forms, unknowns_to_null};
pub(crate) use steps::{automatic, replacements};
