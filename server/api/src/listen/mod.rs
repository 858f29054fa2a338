//! Where callers come in: TLS anywhere, plaintext only where the kernel vouches for who can reach it.
//!
//! - [`listener`]: the three doors, and the task that accepts
//! - [`connection`]: one accepted connection
//! - [`peer`]: what is known of its other end before it says a word

mod connection;
mod listener;
mod peer;

pub use connection::Connection;
pub use listener::{Error, Listener};
pub use peer::{Peer, Transport};

#[cfg(test)]
mod tests;
