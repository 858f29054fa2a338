//! The wire form of values: MessagePack, read and written along a [`super::Type`].
//!
//! Unknown is an extension; refinements of unknowns are read over, none are written. Every length is checked against the
//! bytes that are left before anything is reserved.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use decode::decode;
pub use encode::encode;
