//! Asking a TPM 2.0, in its own words (TPM 2.0 Library, Part 3: Commands). No more of them than are needed.
//!
//! - [`wire`]: numbers and sized buffers, both ways; [`command`]: what is asked; [`response`]: what is answered
//! - [`template`]: the keys every TPM can make again; [`transport`]: the kernel's device, or a socket
//! - [`ask`]: one command and its answer; [`endorsement`]: what this TPM is known by
//! - [`quote`]: its word for what the firmware started, for this boot; [`log`]: what that was, as the firmware tells it
//!
//! Encoding and decoding are pure functions over bytes. What a TPM sends is bounded before it is read, and nothing of it is
//! believed to be long, whole or in order. To add a command: a function in [`command`], what it answers in [`response`], a
//! method in [`ask`], and a line in `tests/tpm.rs`, where a software TPM answers.

pub mod ask;
pub mod command;
pub mod endorsement;
pub mod log;
pub mod quote;
pub mod response;
pub mod template;
#[cfg(test)]
mod tests;
pub mod transport;
pub mod wire;

pub use ask::{Error, Tpm};
