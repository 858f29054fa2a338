//! The way out of the agent: restart or power off.
//!
//! kexec is refused, for a reason: the kernel and its initramfs lie inside the tenant's file system, and this program
//! never parses one (DESIGN section 6 lets the agent choose). Whoever asks for it gets a restart through the firmware.

use rustix::system::{RebootCommand, reboot};
use tracing::{info, warn};
use underlay_core::agent::Leave;

/// Leaves. Returns only where the kernel refuses, with its error.
pub fn leave(how: Leave) -> std::io::Error {
    rustix::fs::sync();
    let command = match how {
        Leave::Reboot => RebootCommand::Restart,
        Leave::PowerOff => RebootCommand::PowerOff,
        Leave::Kexec => {
            warn!(
                "kexec would need the tenant's file system to be read, which the agent never does; restarting instead"
            );
            RebootCommand::Restart
        }
    };
    info!(?how, "leaving");
    match reboot(command) {
        Ok(()) => std::io::Error::other("the kernel returned from reboot"),
        Err(error) => error.into(),
    }
}
