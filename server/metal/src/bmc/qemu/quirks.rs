//! What QEMU and the firmware in it need, and where that was seen.
//!
//! Boot order. `-boot order=` reaches SeaBIOS only; `bootindex` on a device reaches both firmwares, through fw_cfg's
//! `bootorder` file, which QEMU writes at start and again at every reset. So a machine that is to start from
//! the network once gets `bootindex=0` on its NIC, is created stopped (`-S`), and loses that index over QMP
//! before its first instruction: the first firmware run sees the network first, every later one, a reboot issued by
//! the guest included, sees the disks only. Nothing has to watch it (QEMU 7.2, SeaBIOS 1.16.2, OVMF 2022.11).
//!
//! `strict=on` keeps SeaBIOS from falling through to the NIC when a disk does not boot.
//!
//! Network boot under user networking. QEMU's own DHCP server hands out one boot file name and no option 60, so OVMF's
//! PXE asks TFTP for it in vain and its HTTP boot ignores it. The iPXE ROM that QEMU puts on the NIC by default holds
//! a BIOS and an EFI image and takes an `http://` name, under both firmwares. IPv6 stays on: slirp answers iPXE's
//! router solicitation, which otherwise costs 13 s.
//!
//! Sandbox. QEMU's own seccomp filters let user networking and tap devices work, but `spawn=deny` and
//! `elevateprivileges=deny` kill `-daemonize` in fork and setsid (QEMU 7.2). So the driver starts QEMU through
//! setsid(1) and hands it a listening control socket, and only a start by hand goes without those two.

use std::path::Path;

use underlay_core::{bmc::Target, host::Firmware};

use super::Ovmf;

/// Taken off the NIC's boot index: not a boot device.
pub(super) const NOT_BOOTED: i32 = -1;

/// The sandbox of a process that the driver starts.
pub(super) const SANDBOX: [&str; 2] =
    ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"];

/// The sandbox of a process that goes to the background by itself.
pub(super) const DAEMON_SANDBOX: [&str; 2] = ["-sandbox", "on,obsolete=deny,resourcecontrol=deny"];

/// Where distributions put OVMF: Debian and Ubuntu, then Fedora, then Arch.
const OVMF: [(&str, &str); 4] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
];

/// The first firmware that is there.
pub(super) fn find_ovmf() -> Option<Ovmf> {
    OVMF.iter()
        .find(|(code, vars)| Path::new(code).exists() && Path::new(vars).exists())
        .map(|(code, vars)| Ovmf { code: code.into(), vars: vars.into() })
}

/// What the NIC's `-device` gets besides: on a real network OVMF boots with its own PXE and HTTP stack, which an
/// iPXE ROM on the card would take the place of.
pub(super) fn nic_rom(firmware: Firmware, tap: Option<&str>) -> &'static str {
    match (firmware, tap) {
        (Firmware::Uefi, Some(_)) => ",romfile=",
        _ => "",
    }
}

/// Keeps OVMF from PXE where HTTP Boot is asked for; it tries PXE before HTTP otherwise.
pub(super) fn boot_method(firmware: Firmware, target: Target) -> Vec<String> {
    if firmware == Firmware::Uefi && target == Target::HttpOnce {
        ["IPv4PXESupport", "IPv6PXESupport"]
            .into_iter()
            .flat_map(|knob| ["-fw_cfg".to_owned(), format!("name=opt/org.tianocore/{knob},string=n")])
            .collect()
    } else {
        Vec::new()
    }
}
