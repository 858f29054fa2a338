//! A host that somebody else switches: a program behind a URL, or a person who says when it is done.
//!
//! - `driver`: the wishes; `client`: what the webhook is sent and may answer; `quirks`: what people forget to say
//!
//! A person says so with `underlay host confirm`; what they said last, and what was seen of the host since, is all that
//! is known of its power. Who waits for whom is in the words of [`underlay_core::host::awaited`].

mod client;
mod driver;
mod quirks;
#[cfg(test)]
mod tests;

pub use driver::Manual;
pub use quirks::Known;
