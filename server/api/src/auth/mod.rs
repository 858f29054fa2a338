//! Who may call what. Everything is denied that is not written down in [`table`].
//!
//! - [`role`]: the four roles and the caller they are given to
//! - [`reach`]: how far a caller may write
//! - [`table`]: which call needs what
//! - [`token`]: minting and recognising API tokens
//! - [`record`]: the audit's row of a call that left none itself
//! - [`gate`]: the check in front of every call

pub(crate) mod gate;
mod reach;
pub(crate) mod record;
mod role;
mod table;
mod token;

pub(crate) use reach::Pools;
pub use reach::Reach;
pub use role::{Caller, Role};
pub use table::{Access, access, is_mutating};
pub use token::{FirstTokenError, write_first_token};
pub(crate) use token::{authenticate, id, mint, mint_offer, new_token};
