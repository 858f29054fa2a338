//! Machines whose BMC speaks Redfish: sushy-tools in front of libvirt, both the segment's own (`scripts/libvirt.sh`).

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result};

use super::{
    parts::{printed, script},
    segment::{Segment, run},
};

/// A running emulator; it and its machines end with the segment.
pub struct Bmcs {
    directory: PathBuf,
}

/// How to log in there.
pub struct Login {
    /// "https://ADDRESS:PORT".
    pub address: String,
    /// Who.
    pub user: String,
    /// With what.
    pub password: String,
}

impl Bmcs {
    /// Start libvirt and the emulator.
    ///
    /// # Errors
    /// They do not come up.
    pub fn start(segment: &Segment) -> Result<Self> {
        let directory = segment.directory().join("redfish");
        fs::create_dir(&directory).context("making the emulator's directory")?;
        run(Command::new(script("libvirt.sh")).args(["up", segment.name()]).arg(&directory))?;
        Ok(Self { directory })
    }

    /// Define a powered-off BIOS machine with a disk of 256 MiB; returns its Redfish id.
    ///
    /// # Errors
    /// libvirt refuses it.
    pub fn define(&self, name: &str, mac: &str) -> Result<String> {
        self.define_as(name, mac, ["bios", "256", "512"])
    }

    /// The same with a firmware, a disk and memory, these in MiB.
    ///
    /// # Errors
    /// libvirt refuses it.
    pub fn define_as(&self, name: &str, mac: &str, hardware: [&str; 3]) -> Result<String> {
        let mut define = Command::new(script("libvirt.sh"));
        let define = define.arg("define").arg(&self.directory).args([name, mac]).args(hardware);
        Ok(printed(define)?.display().to_string())
    }

    /// Whom to log in as.
    ///
    /// # Errors
    /// The emulator left no such file.
    pub fn login(&self) -> Result<Login> {
        let text =
            fs::read_to_string(self.directory.join("bmc.env")).context("reading the emulator's login")?;
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.map(str::to_owned).with_context(|| format!("{name} is not there"))
        };
        Ok(Login {
            address: value("REDFISH_URL")?,
            user: value("REDFISH_USER")?,
            password: value("REDFISH_PASSWORD")?,
        })
    }

    /// What that machine says on its serial port.
    pub fn console(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.serial"))
    }

    /// Its disk.
    pub fn disk(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.raw"))
    }

    /// libvirt's definition of that machine.
    ///
    /// # Errors
    /// libvirt does not answer.
    pub fn definition(&self, name: &str) -> Result<String> {
        let mut virsh = Command::new(script("libvirt.sh"));
        let xml = printed(virsh.arg("virsh").arg(&self.directory).args(["dumpxml", "--inactive", name]))?;
        Ok(xml.display().to_string())
    }

    /// What libvirt says of that machine's power: "running", "shut off".
    ///
    /// # Errors
    /// libvirt does not answer.
    pub fn power(&self, name: &str) -> Result<String> {
        let mut virsh = Command::new(script("libvirt.sh"));
        let state = printed(virsh.arg("virsh").arg(&self.directory).args(["domstate", name]))?;
        Ok(state.display().to_string())
    }
}
