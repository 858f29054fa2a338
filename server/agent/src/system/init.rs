//! What the kernel expects of its first process: mounts, and children that are waited for.
//!
//! The initramfs is the root for good; nothing is ever switched to, and no file system of a disk is ever mounted: what
//! a tenant wrote there is never parsed.

use std::{fs, io};

use rustix::{
    mount::{MountFlags, mount},
    process::{WaitOptions, getpid, wait},
};
use tokio::signal::unix::{SignalKind, signal};

/// Is this process the machine's first?
pub fn is_first_process() -> bool {
    getpid().is_init()
}

/// Mounts what the agent reads. A mount that is there already is left alone.
pub fn mount_all() -> io::Result<()> {
    let quiet = MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NODEV;
    mount_one("proc", "/proc", "proc", quiet)?;
    mount_one("sysfs", "/sys", "sysfs", quiet)?;
    mount_one("devtmpfs", "/dev", "devtmpfs", MountFlags::NOSUID | MountFlags::NOEXEC)?;
    mount_one("tmpfs", "/tmp", "tmpfs", quiet)?;
    // The firmware's event log is there, if anywhere.
    mount_one("securityfs", "/sys/kernel/security", "securityfs", quiet).ok();
    Ok(())
}

fn mount_one(source: &str, target: &str, kind: &str, flags: MountFlags) -> io::Result<()> {
    fs::create_dir_all(target)?;
    match mount(source, target, kind, flags, None) {
        Err(rustix::io::Errno::BUSY) => Ok(()),
        done => Ok(done?),
    }
}

/// Waits for every orphan the kernel hands to the first process, for as long as it runs. The agent starts no process
/// of its own, so nobody else is robbed of an exit status.
pub async fn reap() {
    let Ok(mut children) = signal(SignalKind::child()) else { return };
    while children.recv().await.is_some() {
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
    }
}
