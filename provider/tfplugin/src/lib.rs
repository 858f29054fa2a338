//! A Terraform and OpenTofu plugin SDK: protocol 6 over a go-plugin handshake.
//!
//! A provider is a [`Provider`] with a [`Catalog`] of [`Resource`]s, [`DataSource`]s, [`Ephemeral`]s and [`Function`]s.
//! Structs with `#[derive(Schema)]` are the schemas; their doc comments are the documentation. `README.md` has one of
//! each, complete.
//!
//! | module | what |
//! |---|---|
//! | [`schema`] | attributes, their types and rules; [`Attr`] |
//! | [`resource`] | managed resources |
//! | `provider`, `data_source`, `ephemeral`, `function`, `catalog`, `context` | what else a provider is made of |
//! | [`timeouts`] | the `timeouts` attribute |
//! | [`cty`] | Terraform's values and their encodings |
//! | `plan` | what happens to every plan before and after a resource sees it |
//! | `rpc` | the protocol: one file per group of calls |
//! | [`serve`] | the process: handshake, TLS, logs, signals |
//! | [`docs`] | documentation from schemas |
//! | [`testing`] | a fake Terraform in memory that holds a provider to Terraform's rules |
//!
//! To add a resource to a provider, see its `docs/adding-a-resource.md`.

#![deny(missing_docs)]

// Derived code names this crate `tfplugin`, also within it.
extern crate self as tfplugin;

mod catalog;
mod context;
pub mod cty;
mod data_source;
mod diagnostics;
pub mod docs;
mod ephemeral;
pub mod function;
mod plan;
mod private;
pub mod proto;
mod provider;
pub mod resource;
mod rpc;
pub mod schema;
pub mod serve;
pub mod testing;
pub mod timeouts;

pub use async_trait::async_trait;
pub use catalog::Catalog;
pub use context::Context;
pub use data_source::DataSource;
pub use diagnostics::{Diagnostic, Diagnostics, Severity};
pub use ephemeral::{Ephemeral, Opened};
pub use function::Function;
pub use jiff::Timestamp;
pub use private::Private;
pub use provider::{Provider, Setup};
pub use resource::Resource;
pub use rpc::Service;
pub use schema::{Attr, Schema};
pub use secrecy::{ExposeSecret, SecretString};
pub use tfplugin_derive::Schema;
pub use timeouts::Timeouts;
pub use tokio_util::sync::CancellationToken;

/// The example in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
