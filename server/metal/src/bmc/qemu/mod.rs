//! A QEMU machine that the server runs as a host: for laptops, demos and CI, and for hosts that share a box.
//!
//! - [`Config`]: where things lie; [`Ports`]: which loopback ports are given out; `driver`: the wishes
//! - `directory`, `record`: what is kept of a host on disk; `command`: the command line; `process`: is it running?
//! - `client`: QMP, QEMU's control protocol (docs/interop/qmp-spec in QEMU); `quirks`: what firmware and QEMU need
//!
//! The QEMU process belongs to itself: it has its own session, shares no descriptor with the server and survives its
//! death. It is found again by the lock it holds on its pid file, which no other process can hold. With user
//! networking nothing here needs root. The guest is as trusted as the user who runs the server: QEMU runs under
//! its own seccomp sandbox and no more.

mod client;
mod command;
mod config;
mod directory;
mod driver;
mod error;
mod ports;
mod process;
mod quirks;
mod record;
#[cfg(test)]
mod tests;

pub use config::{Accelerator, Cache, Config, Ovmf};
pub use driver::Qemu;
pub use error::Error;
pub use ports::Ports;
