//! Who we are and who calls: the server's own CA, the certificates it issues, and encrypted listeners.
//!
//! - [`authority`]: the CA, made at first start; issues the server's certificate and the agents'
//! - [`identity`]: what an agent's certificate says
//! - [`config`]: TLS as the server speaks it: client certificates are optional, and checked against the same CA

mod authority;
mod config;
mod identity;
mod keyfile;

pub(crate) use authority::Request;
pub use authority::{Authority, Error};
pub use config::server_config;
pub use identity::{AgentIdentity, ResidentIdentity};
pub(crate) use keyfile::write_private;

#[cfg(test)]
mod tests;
