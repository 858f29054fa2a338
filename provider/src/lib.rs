//! The Terraform and OpenTofu provider of underlay. It turns HCL into calls of the server's API and back, and has no logic
//! of its own: what a change means is asked of the server with Preview, what happens is watched.
//!
//! | file | what |
//! |---|---|
//! | `provider.rs` | the `provider` block, and what is registered |
//! | `endpoint.rs`, `connect.rs` | where the server is, and how it is reached: TLS, loopback, unix socket |
//! | `client.rs` | [`Client`]: one channel, the token, the owner and site of this state's objects |
//! | `noun.rs` | one trait over the five services |
//! | `reads.rs` | concurrent reads made one |
//! | `wait.rs` | waiting for an object to come to rest or to be gone |
//! | `lifecycle.rs` | create, read, update, delete and preview of any noun |
//! | `errors.rs`, `locate.rs` | what the server refused, as messages at HCL lines |
//! | `planned.rs` | what else the present plan changes |
//! | `import.rs` | names by which objects are imported |
//! | `size.rs`, `written.rs` | values as the user wrote them |
//! | `facts.rs` | what the agent found, typed |
//! | [`resources`] | a folder or file per resource |
//! | [`data`] | a file per data source |
//!
//! To add a resource, see docs/adding-a-resource.md.

pub mod client;
mod connect;
pub mod data;
pub mod endpoint;
mod errors;
mod facts;
mod import;
mod lifecycle;
mod locate;
mod noun;
mod planned;
mod provider;
mod reads;
pub mod resources;
mod size;
mod values;
mod wait;
mod written;

pub use client::Client;
pub use provider::{ADDRESS, Config, Underlay};
