//! The example provider under the fake core: what a provider's author writes, and the rules being enforced.
//!
//! | file | what |
//! |---|---|
//! | `things.rs` | the example provider keeps the rules |
//! | `rogue.rs` | a resource that breaks the rule its name says, and is caught |

// The lints spare test functions only, not what they call.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

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

mod rogue;
mod things;
