//! Managed resources.
//!
//! | file | what |
//! |---|---|
//! | `lifecycle.rs` | [`Resource`], the trait to implement |
//! | `change.rs` | what create, update and modify_plan are given |
//! | `outcome.rs` | [`Outcome`]: a state, or a [`Failure`] that may carry one |
//! | `identity.rs` | [`Identity`]: what names the object, apart from its state |
//! | `foreign.rs` | state from elsewhere: import, upgrade, move |
//! | `entry.rs` | a resource without its types |

mod change;
mod entry;
mod foreign;
mod identity;
mod lifecycle;
mod outcome;

pub use change::{Change, New, Plan};
pub(crate) use entry::{AnyResource, Draft, Entry};
pub use foreign::{ImportId, MoveSource};
pub use identity::Identity;
pub use lifecycle::Resource;
pub use outcome::{Failure, Outcome};
