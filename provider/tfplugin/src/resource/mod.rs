//! Managed resources.
//!
//! | file | what |
//! |---|---|
//! | `resource.rs` | [`Resource`], the trait to implement |
//! | `change.rs` | what create, update and modify_plan are given |
//! | `outcome.rs` | [`Outcome`]: a state, or a [`Failure`] that may carry one |
//! | `identity.rs` | [`Identity`]: what names the object, apart from its state |
//! | `foreign.rs` | state from elsewhere: import, upgrade, move |
//! | `entry.rs` | a resource without its types |

mod change;
mod entry;
mod foreign;
mod identity;
mod outcome;
#[allow(clippy::module_inception)]
mod resource;

pub use change::{Change, New, Plan};
pub(crate) use entry::{AnyResource, Draft, Entry};
pub use foreign::{ImportId, MoveSource};
pub use identity::Identity;
pub use outcome::{Failure, Outcome};
pub use resource::Resource;
