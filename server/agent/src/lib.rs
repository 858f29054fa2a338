//! The program that runs in RAM on a host (inventory, imaging, reboot), and as a service of one that is installed. A library so that tests can drive its parts.
//!
//! - [`start`]: the life of the process; [`cmdline`]: what the boot script asked for
//! - [`system`]: being PID 1; [`net`]: an address; [`machine`], [`inventory`]: what is here
//! - [`home`]: the line to the server; [`http`], [`source`]: the way of an image's bytes
//! - [`resident`]: living on an installed system, and getting there
//! - [`pace`]: how long to wait before knocking again
//! - [`deploy`], [`disk`]: writing it; [`bench`]: only that, measured
//! - [`wipe`]: making disks forget; [`tpm`]: asking a TPM; [`sys`]: system calls that no library has
//!
//! It never mounts or parses a tenant's file system and never listens. In RAM it holds no state that outlives the boot.

pub mod bench;
pub mod cmdline;
pub mod deploy;
pub mod disk;
#[cfg(test)]
mod fixture;
pub mod home;
pub mod http;
pub mod inventory;
pub mod machine;
pub mod net;
pub mod pace;
pub mod resident;
pub mod source;
pub mod start;
pub mod sys;
pub mod system;
pub mod tpm;
pub mod wipe;
