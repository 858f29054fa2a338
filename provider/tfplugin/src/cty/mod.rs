//! Terraform's values: types, values that may be null or unknown, paths into them, and their two encodings.
//!
//! | file | what |
//! |---|---|
//! | `ty.rs` | [`Type`] and its JSON form |
//! | `value.rs` | [`Value`]: null, unknown and known are three different things |
//! | `number.rs` | [`Number`]: integers, floats and decimals of any length in one canonical form |
//! | `path.rs` | [`Path`]: which attribute, which element |
//! | `msgpack/` | the wire form, driven by the type |
//! | `json.rs` | the form in state files, driven by the type |
//! | `limits.rs` | how deep and how large a message from outside may be |
//!
//! Bytes from outside are hostile: every decoder is bounded and answers an [`Error`], never a panic.

mod error;
mod json;
mod limits;
mod msgpack;
mod number;
mod path;
mod ty;
mod value;

#[cfg(test)]
pub(crate) mod arbitrary;

pub use error::{Error, Problem};
pub use json::{decode as from_json, encode as to_json};
pub use limits::{MAX_DEPTH, MAX_DIGITS, MAX_NODES};
pub use msgpack::{decode as from_msgpack, encode as to_msgpack};
pub use number::Number;
pub use path::{Path, Step};
pub use ty::Type;
pub use value::{Dynamic, Value};
