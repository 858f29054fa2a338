//! The process: from `main` to a gRPC server that Terraform or OpenTofu trusts.
//!
//! | file | what |
//! |---|---|
//! | `main.rs` | [`main`]: command line, runtime, exit code |
//! | `cookie.rs` | refuses to run by hand |
//! | `handshake.rs` | the one line on stdout |
//! | `tls.rs`, `verifier.rs` | mutual TLS with both certificates pinned |
//! | `listen.rs` | unix socket, or TCP on loopback |
//! | `connection.rs` | one connection, encrypted or not |
//! | `server.rs` | the services on a listener |
//! | `controller.rs` | the host asks the process to end |
//! | `debug.rs` | [`struct@Debug`]: a provider that Terraform attaches to instead of starting it |
//! | `log.rs` | logs in the form hosts understand |
//! | `signals.rs` | Ctrl-C is ignored, an orphan ends |
//!
//! stdin belongs to the host and is never read; stdout carries one line and nothing else.

mod connection;
mod controller;
mod cookie;
mod debug;
mod error;
mod handshake;
mod listen;
mod log;
mod main;
mod server;
mod signals;
mod tls;
mod verifier;

pub use debug::Debug;
pub use error::Error;
pub use listen::Transport;
pub use main::main;
