//! Read-only TFTP: the first file that firmware loads (RFC 1350, 2347, 2348, 2349, 7440).
//!
//! Names are keys of a [`Files`], not paths, so there is nothing to traverse. Octet mode only; writes are refused.
//!
//! - [`packet`], [`options`]: what is on the wire, and what client and server agree on
//! - [`files`], [`source`]: where content comes from, and reading it window by window
//! - [`transfer`]: one file to one client, over a socket of its own
//! - [`server`], [`admission`]: the listening socket, and how many transfers it starts
//! - [`counters`]: what happened, as plain numbers

pub mod admission;
pub mod counters;
pub mod files;
pub mod options;
pub mod packet;
pub mod server;
pub mod source;
pub mod transfer;

pub use admission::Limits;
pub use counters::Counters;
pub use files::{Content, Files};
pub use server::{Error, Server};

#[cfg(test)]
mod tests;
