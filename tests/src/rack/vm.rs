//! A QEMU machine that the test itself runs in a segment: nobody enrolled it, and nobody drives its power.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::segment::{Process, Segment};

const OVMF_CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const OVMF_VARS: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/// What runs first.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// SeaBIOS, the NIC's iPXE, then the disk.
    Bios,
    /// OVMF with its own PXE, then the disk.
    Uefi,
    /// A kernel, an initrd and a command line: no firmware asks anybody.
    Kernel(&'a Path, &'a Path, &'a str),
}

/// A running machine; ends when dropped.
pub struct Vm {
    _process: Process,
    console: PathBuf,
}

impl Vm {
    /// Switch one on, on that tap.
    ///
    /// # Errors
    /// QEMU cannot be started.
    pub fn start(
        segment: &Segment,
        name: &str,
        tap: &str,
        mac: &str,
        start: Start<'_>,
        disk: Option<&Path>,
    ) -> Result<Self> {
        let console = segment.directory().join(format!("{name}.console"));
        let mut qemu = segment.command("qemu-system-x86_64");
        qemu.args([
            "-M",
            "q35,graphics=off",
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            "max",
            "-smp",
            "1",
            "-m",
            "512",
        ]);
        qemu.args([
            "-nodefaults",
            "-display",
            "none",
            "-vga",
            "none",
            "-monitor",
            "none",
            "-parallel",
            "none",
        ]);
        qemu.arg("-serial").arg(format!("file:{}", console.display()));
        qemu.args(["-netdev", &format!("tap,id=n0,ifname={tap},script=no,downscript=no")]);
        let mut nic = format!("virtio-net-pci,netdev=n0,mac={mac}");
        match start {
            Start::Bios => nic.push_str(",bootindex=0"),
            Start::Uefi => {
                let vars = segment.directory().join(format!("{name}.vars"));
                fs::copy(OVMF_VARS, &vars).context("copying UEFI variables")?;
                qemu.args(["-drive", &format!("if=pflash,format=raw,unit=0,readonly=on,file={OVMF_CODE}")]);
                qemu.arg("-drive").arg(format!("if=pflash,format=raw,unit=1,file={}", vars.display()));
                nic.push_str(",bootindex=0,romfile=");
            }
            Start::Kernel(kernel, initrd, words) => {
                qemu.arg("-kernel").arg(kernel).arg("-initrd").arg(initrd).args(["-append", words]);
            }
        }
        qemu.args(["-device", &nic]);
        if let Some(disk) = disk {
            qemu.arg("-drive").arg(format!("if=none,id=d0,format=raw,cache=unsafe,file={}", disk.display()));
            qemu.args(["-device", "virtio-blk-pci,drive=d0,bootindex=1"]);
        }
        Ok(Self { _process: Process::start(&mut qemu)?, console })
    }

    /// What its serial port says.
    pub fn console(&self) -> &Path {
        &self.console
    }
}
