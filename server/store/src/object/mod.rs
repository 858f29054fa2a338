//! Objects: put, read, list, confirm, delete. The semantics are those of DESIGN section 5.
//!
//! - [`record`]: a row and how it is read; [`read`]: get, batch, list
//! - [`put`]: create, adopt, update; [`delete`]: confirm and delete

mod delete;
pub(crate) mod put;
mod read;
pub(crate) mod record;

pub use delete::Deletion;
pub use put::{Intent, Put, PutOutcome, PutRequest, Retry};
pub use read::{Filter, Page};
pub use record::Record;
