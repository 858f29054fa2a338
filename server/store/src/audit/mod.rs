//! The audit: who asked for what, when, and how it ended. Rows are added and, once they are old, thrown away; nothing
//! else ever touches them.
//!
//! Each row carries a digest over itself and the row before, under a key that is sealed in the database: whoever can
//! write to the database, but does not have the sealing key, can neither change a row nor take one away without it
//! showing. An older copy of the whole database put in its place does not show: keep a head that [`Store::verify_audit`]
//! tells somewhere else.
//!
//! - [`chain`]: digests and the two ends of the chain; [`rows`]: adding, reading, verifying, throwing away
//! - [`trail`]: a call's row, written in the transaction of what the call changes

pub(crate) mod chain;
pub(crate) mod rows;
mod trail;

pub use rows::{Query, Row, Verdict};
pub use trail::{Entry, Trail};
