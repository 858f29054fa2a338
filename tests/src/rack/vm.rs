//! A QEMU machine that the test itself runs in a segment: nobody enrolled it, and nobody drives its power.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::segment::{Neighbour, Process, Segment};

const OVMF_CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const OVMF_SECURE: &str = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd";
const OVMF_VARS: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/// What runs first.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// SeaBIOS, the NIC's iPXE, then the disk.
    Bios,
    /// OVMF with its own PXE, then the disk.
    Uefi,
    /// SeaBIOS and what is to boot among the other devices; the NIC is not.
    BiosOther,
    /// OVMF, the same.
    UefiOther,
    /// OVMF with Secure Boot on, over these variables (which are copied), and its own HTTP Boot.
    Secure(&'a Path),
    /// A kernel, an initrd and a command line: no firmware asks anybody.
    Kernel(&'a Path, &'a Path, &'a str),
}

/// Where a machine stands: in a namespace, with a directory for what it leaves.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    segment: &'a Segment,
    beyond: Option<&'a Neighbour>,
}

impl<'a> Place<'a> {
    /// Behind the router of that segment.
    pub fn beyond(segment: &'a Segment, neighbour: &'a Neighbour) -> Self {
        Self { segment, beyond: Some(neighbour) }
    }

    fn command(&self, program: &str) -> Command {
        match self.beyond {
            Some(neighbour) => neighbour.command(program),
            None => self.segment.command(program),
        }
    }
}

impl<'a> From<&'a Segment> for Place<'a> {
    fn from(segment: &'a Segment) -> Self {
        Self { segment, beyond: None }
    }
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
    pub fn start<'a>(
        place: impl Into<Place<'a>>,
        name: &str,
        tap: &str,
        mac: &str,
        start: Start<'_>,
        disk: Option<&Path>,
    ) -> Result<Self> {
        let drive = disk.map(|disk| format!("if=none,id=d0,format=raw,cache=unsafe,file={}", disk.display()));
        let devices: Vec<&str> = match &drive {
            Some(drive) => vec!["-drive", drive, "-device", "virtio-blk-pci,drive=d0,bootindex=1"],
            None => Vec::new(),
        };
        Self::with(place.into(), name, tap, ("virtio-net-pci", mac), start, &devices)
    }

    /// The same with a NIC of that model, and with these words of QEMU's for its other devices.
    ///
    /// # Errors
    /// QEMU cannot be started.
    pub fn with(
        place: Place<'_>,
        name: &str,
        tap: &str,
        (model, mac): (&str, &str),
        start: Start<'_>,
        devices: &[&str],
    ) -> Result<Self> {
        let segment = place.segment;
        let console = segment.directory().join(format!("{name}.console"));
        let mut qemu = place.command("qemu-system-x86_64");
        // Only the firmware's own code, in system management mode, may write the variables that say what is trusted.
        let machine = match start {
            Start::Secure(_) => "q35,graphics=off,smm=on",
            _ => "q35,graphics=off",
        };
        qemu.args(["-M", machine, "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "1", "-m", "512"]);
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
        let mut nic = format!("{model},netdev=n0,mac={mac}");
        match start {
            Start::Bios => nic.push_str(",bootindex=0"),
            Start::BiosOther => nic.push_str(",romfile="),
            Start::Uefi | Start::UefiOther => {
                let vars = segment.directory().join(format!("{name}.vars"));
                fs::copy(OVMF_VARS, &vars).context("copying UEFI variables")?;
                qemu.args(["-drive", &format!("if=pflash,format=raw,unit=0,readonly=on,file={OVMF_CODE}")]);
                qemu.arg("-drive").arg(format!("if=pflash,format=raw,unit=1,file={}", vars.display()));
                let order = if matches!(start, Start::Uefi) { ",bootindex=0" } else { "" };
                nic.push_str(&format!("{order},romfile="));
            }
            Start::Secure(own) => {
                let vars = segment.directory().join(format!("{name}.vars"));
                fs::copy(own, &vars).context("copying UEFI variables")?;
                qemu.args(["-global", "driver=cfi.pflash01,property=secure,value=on"]);
                qemu.args(["-drive", &format!("if=pflash,format=raw,unit=0,readonly=on,file={OVMF_SECURE}")]);
                qemu.arg("-drive").arg(format!("if=pflash,format=raw,unit=1,file={}", vars.display()));
                for knob in ["IPv4PXESupport", "IPv6PXESupport"] {
                    qemu.arg("-fw_cfg").arg(format!("name=opt/org.tianocore/{knob},string=n"));
                }
                nic.push_str(",bootindex=0,romfile=");
            }
            Start::Kernel(kernel, initrd, words) => {
                qemu.arg("-kernel").arg(kernel).arg("-initrd").arg(initrd).args(["-append", words]);
            }
        }
        qemu.args(["-device", &nic]);
        qemu.args(devices);
        Ok(Self { _process: Process::start(&mut qemu)?, console })
    }

    /// What its serial port says.
    pub fn console(&self) -> &Path {
        &self.console
    }
}
