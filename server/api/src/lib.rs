//! The gRPC services: authorise, convert, validate, one store call. They never do work and never wait for hardware.
//!
//! - [`api`], [`context`]: putting it together and serving it
//! - [`listen`], [`tls`]: where callers come in, and the server's own certificate authority
//! - [`auth`]: tokens, roles, and which call needs what
//! - [`convert`]: messages to words of the domain and back, a file per noun
//! - [`rules`]: what Put, Preview and Delete refuse, seen beside other objects
//! - [`service`]: the services; [`discovery`]: machines that nobody enrolled
//! - [`ports`]: what the services need of other parts of the server
//! - [`errors`], [`metrics`]: what callers and operators are told
//!
//! To add a kind of object, see docs/adding-a-resource.md.

mod api;
mod attest;
pub mod auth;
mod context;
mod convert;
pub mod discovery;
mod errors;
pub mod listen;
mod metrics;
pub mod ports;
mod rules;
mod service;
pub mod tls;

pub use api::{Api, ServeError};
pub use context::Config;
pub use metrics::Metrics;
