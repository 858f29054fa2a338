//! The example provider under the real Terraform or OpenTofu.
//!
//! | file | what |
//! |---|---|
//! | `cli.rs` | runs the command line program in a directory of its own |
//! | `lifecycle.rs` | plan, apply, change, replace, import, destroy |
//! | `interrupt.rs` | Ctrl-C to the whole process group |
//! | `attach.rs` | a provider that the program attaches to |
//! | `process.rs` | the plugin process without a host: handshake, trust, footprint |
//!
//! The provider is the example program: `cargo test` builds it, `cargo test --test acceptance` alone does not.
//! `TF_BIN` names the program, else `terraform` on the path. Without one the tests say so and pass, but fail under CI=true.

// The lints spare test functions only, not what they call.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#![cfg(unix)]

#[path = "../../examples/thing/lookup.rs"]
mod lookup;
#[path = "../../examples/thing/provider.rs"]
mod provider;
#[path = "../../examples/thing/shout.rs"]
mod shout;
#[path = "../../examples/thing/store.rs"]
mod store;
#[path = "../../examples/thing/thing.rs"]
mod thing;
#[path = "../../examples/thing/token.rs"]
mod token;

mod attach;
mod cli;
mod interrupt;
mod lifecycle;
mod process;
