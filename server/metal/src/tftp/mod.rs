//! Read-only TFTP: the first file that firmware loads (RFC 1350, 2347, 2348, 2349, 7440).
//!
//! Names are keys of a [`Files`], not paths, so there is nothing to traverse. Octet mode only; writes are refused.
//!
//! - [`packet`], [`options`]: what is on the wire, and what client and server agree on
//! - [`files`], [`source`], [`kept`]: where content comes from, reading it window by window, small files in memory
//! - [`transfer`], [`burst`]: one file to one client, over a socket of its own that sends a window in one call
//! - [`server`], [`admission`]: the listening socket, and how many transfers it starts
//! - [`counters`]: what happened, as plain numbers

pub mod admission;
pub mod burst;
pub mod counters;
pub mod files;
pub mod kept;
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
