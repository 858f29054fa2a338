//! Fetches a source over http or https, and goes on where a dropped connection left off.
//!
//! - `client`: the HTTP client and its rules (redirects, timeouts)
//! - `transfer`: one fetch across its connections: what has arrived, and whether an answer continues it
//!
//! Nothing here decides whether the bytes are right: the checksum does, over what arrived, in the order it arrived.

mod client;
mod error;
mod transfer;

pub use client::{Fetcher, Options};
pub use error::Error;
