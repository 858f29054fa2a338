//! Where QEMU and its firmware lie and how its machines are run.

use std::path::PathBuf;

/// How QEMU hosts are run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The server's data directory; each host has `qemu/<host id>` below it.
    pub data: PathBuf,
    /// The emulator; a bare name is looked up in `PATH`.
    pub program: PathBuf,
    /// What iPXE fetches under user networking, as the guest sees it: the server's loopback is `10.0.2.2`.
    /// `{mac}` in it becomes the host's MAC, written with colons. At most 127 bytes: BOOTP's file field is all
    /// that QEMU's own DHCP server has for it (RFC 2131, section 2).
    pub boot_url: String,
    /// UEFI firmware; without it the usual places are looked in.
    pub ovmf: Option<Ovmf>,
    /// What runs the guest's instructions.
    pub accelerator: Accelerator,
    /// What a guest's flush costs.
    pub cache: Cache,
}

impl Config {
    /// The usual setup below `data`: emulated, durable, QEMU from `PATH`.
    pub fn new(data: PathBuf, boot_url: String) -> Self {
        Self {
            data,
            program: "qemu-system-x86_64".into(),
            boot_url,
            ovmf: None,
            accelerator: Accelerator::Tcg,
            cache: Cache::Writeback,
        }
    }
}

/// UEFI firmware as two flash images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ovmf {
    /// Code, shared and read-only.
    pub code: PathBuf,
    /// Empty variable store; each host gets a copy.
    pub vars: PathBuf,
}

/// What runs the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// Emulation; works everywhere.
    Tcg,
    /// Virtualisation. Only where a guest is known to run: that /dev/kvm opens proves nothing when nested.
    Kvm,
}

/// What a guest's flush costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// A flush reaches the server's disk, as a guest may expect.
    Writeback,
    /// Flushes are ignored: faster, and a crash of the server (not of QEMU) can corrupt the disks.
    Unsafe,
}
