//! The line home: which server to believe, who we are to it, and the orders it gives.
//!
//! - [`trust`]: the CA certificate by its hash, TLS with it and nothing else
//! - [`channel`]: gRPC over that TLS
//! - [`identity`]: a key made in this boot, and the certificate the token buys
//! - [`discover`]: an unknown machine's reports; [`work`]: an enrolled machine's orders
//! - [`convert`]: the wire's words and core's; [`wipes`]: those about wiping
//!
//! The agent dials; nothing ever connects to it.

pub mod channel;
pub mod convert;
pub mod discover;
pub mod identity;
pub mod trust;
pub mod wipes;
pub mod work;
