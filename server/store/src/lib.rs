//! The only SQL: objects, queue, observations, operations and events, on SQLite or Postgres.
//!
//! - [`store`], [`migrate`], [`connections`], [`transaction`], [`turn`]: opening, and the one way to write
//! - [`sql`], [`dialect`], [`column`]: statements and rows, alike on both databases, and what is not alike
//! - [`object`]: put, read, list, delete; [`reference`], [`secret`], [`sealing`], [`logins`]: what belongs to an object;
//!   [`own_password`]: the passwords of their own that BMCs of hosts have
//! - [`feed`]: changes in commit order; [`hint`]: who is told of them; [`view`]: what controllers may read
//! - [`queue`], [`commit`], [`claim`], [`observation`], [`operation`], [`event`], [`memo`]: the engine's side
//! - [`pool`]: who belongs to a pool, who wants a host of it, who is disturbed
//! - [`boot_plan`], [`token`], [`assignment`], [`dhcp_lease`]: the boot servers' and the agent's side; [`discovered`]:
//!   machines without a host
//! - [`adoption`]: enrolment tokens, and the agents that live on hosts
//! - [`brake`], [`cancellation`]: what holds work back, and what stops it; [`backup`]: copies, and what a restore voids
//! - [`agent_log`]: what agents had to say
//! - [`api_token`]: who may call the API; [`audit`]: who asked for what; [`retention`]: what is thrown away, and when
//! - [`traffic`]: what was asked of the database, counted
//! - `testing` (a feature): a database of a test's own
//!
//! Times are kept as microseconds since 1970 and ids as text, so one SQL text serves both databases.

#![deny(missing_docs)]

pub mod adoption;
pub mod agent_log;
pub mod api_token;
pub mod assignment;
pub mod audit;
mod backup;
pub mod boot_plan;
mod brake;
mod cancellation;
mod claim;
mod column;
pub mod commit;
mod connections;
pub mod dhcp_lease;
mod dialect;
pub mod discovered;
mod error;
pub mod event;
pub mod feed;
pub mod hint;
mod logins;
mod memo;
mod migrate;
pub mod object;
pub mod observation;
pub mod operation;
mod own_password;
mod pool;
pub mod queue;
mod reference;
pub mod retention;
pub mod sealing;
mod secret;
mod sql;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod token;
pub mod traffic;
mod transaction;
mod turn;
mod view;

pub use backup::{Kept, Voided};
pub use commit::{Commit, Decision, Entered};
pub use error::Error;
pub use object::{Deletion, Filter, Intent, Page, Put, PutOutcome, PutRequest, Record, Retry};
pub use own_password::Kept as OwnPassword;
pub use queue::Lease;
pub use sealing::SealingKey;
pub use sql::DatabaseError;
pub use store::Store;
