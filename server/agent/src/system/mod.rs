//! Being the first process of a machine: file systems, console, modules, children, the way out.
//!
//! - [`init`]: mounts and reaping; [`console`], [`log`]: where lines go; [`modules`]: drivers by modalias; [`leave`]: reboot and power off
//!
//! Nothing here knows the server.

pub mod console;
pub mod init;
pub mod leave;
pub mod log;
pub mod modules;
