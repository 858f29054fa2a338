//! The provider under a fake Terraform, against a scripted server: every way in which an object comes, changes and goes.
//!
//! | file | what |
//! |---|---|
//! | `server/` | the scripted server, over gRPC on loopback |
//! | `rig.rs` | a fake Terraform and a server, wired up; configurations |
//! | `create.rs` | created, late, failed, interrupted, adopted |
//! | `change.rs` | disruption, the fence, what waits, retries |
//! | `replace.rs` | taint, replacement in either order, stale incarnations |
//! | `gate.rs` | `underlay_ready` |
//! | `read.rs` | gone, unreachable, coalesced, imported; data sources |
//! | `held.rs` | freezes and cancelled operations |
//! | `refuse.rs` | errors and where they point; secrets |

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod adopted;
mod change;
mod create;
mod gate;
mod held;
mod read;
mod refuse;
mod replace;
mod rig;
mod server;
