//! The durable loop that runs any controller: lease what is due, show it to its controller, commit what it decides.
//!
//! - [`engine`]: the loop; [`dispatch`]: who steps what, and when; [`work`]: one step from snapshot to commit
//! - [`erased`]: controllers of all kinds behind one trait; [`backoff`], [`clock`], [`metrics`]
//!
//! It knows no kind of object and does no physical work. Kill it at any moment: a lease that runs out is taken over, and
//! whoever lost it can commit nothing.

#![deny(missing_docs)]

mod backoff;
mod clock;
mod dispatch;
mod engine;
mod erased;
mod metrics;
mod work;

pub use backoff::Backoff;
pub use clock::Clock;
pub use engine::{Config, Engine};
pub use metrics::Metrics;
