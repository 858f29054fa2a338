//! An operating system image: immutable, and named by the SHA-256 of the source it was made from.
//!
//! - [`digest`]: the two digests, each its own type
//! - [`manifest`]: what a disk must read like and the digest that vouches for it; `canonical.rs` and `json.rs` spell it
//! - [`spec`]: the image as a noun
//! - [`segment`]: one piece of the disk, and how to verify it
//!
//! Importing and storing live in the image crate, writing to disks in the agent.

mod canonical;
pub mod digest;
mod json;
pub mod manifest;
pub mod segment;
pub mod spec;

pub use digest::{Blake3, Sha256};
pub use manifest::Manifest;
pub use segment::{Encoding, Mismatch, Segment};
pub use spec::{Image, SeedFormat, Spec, State, Status};
