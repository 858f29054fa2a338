//! Who may call what. Everything is denied that is not written down in [`table`].
//!
//! - [`role`]: the four roles and the caller they are given to
//! - [`table`]: which call needs what
//! - [`token`]: minting and recognising API tokens
//! - [`gate`]: the check in front of every call

pub(crate) mod gate;
mod role;
mod table;
mod token;

pub use role::{Caller, Role};
pub use table::{Access, access};
pub use token::{FirstTokenError, write_first_token};
pub(crate) use token::{authenticate, mint, new_token};
