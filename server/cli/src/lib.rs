//! Operator verbs over the public API: what `underlay get`, `watch`, `explain` and the others do. Knows the wire and
//! nothing else of ours.
//!
//! - [`verbs`]: a file per verb
//! - [`connect`]: how the server is reached; [`name`]: how an object is named on the command line
//! - [`fleet`]: many objects at once, grouped by state and by cause
//! - [`output`]: tables, times, JSON; [`hcl`]: Terraform configuration; [`exit`]: what each exit code means
//! - [`ramdisk`]: the agent's kernel and initramfs

pub mod connect;
pub mod exit;
pub mod fleet;
pub mod hcl;
pub mod name;
pub mod output;
pub mod ramdisk;
pub mod verbs;

pub use verbs::{Verb, main};
