//! A site that signs its own agent: a key, firmware that knows it, and a ramdisk.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::{
    parts,
    segment::{Segment, run},
    server::Server,
};

/// The site: its key, the variables of firmware that knows it, and a ramdisk of its own.
pub struct Site {
    key: PathBuf,
    shim: Option<PathBuf>,
    /// A store of variables for OVMF.
    pub vars: PathBuf,
    /// A ramdisk of its own.
    pub ramdisk: PathBuf,
}

impl Site {
    /// A new one, in the segment's directory.
    ///
    /// # Errors
    /// Programs are missing, or there is no ramdisk.
    pub fn new(segment: &Segment) -> Result<Self> {
        let (key, ramdisk) = Self::made(segment)?;
        Ok(Self { vars: key.join("vars.fd"), key, shim: None, ramdisk })
    }

    /// One whose machines know Microsoft's key: a shim starts what the site signed.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn behind_a_shim(segment: &Segment) -> Result<Self> {
        let (key, ramdisk) = Self::made(segment)?;
        Ok(Self { vars: key.join("shim.vars.fd"), shim: Some(key.join("shim.efi")), key, ramdisk })
    }

    /// Folders of the key and of the ramdisk.
    fn made(segment: &Segment) -> Result<(PathBuf, PathBuf)> {
        let (key, ramdisk) = (segment.directory().join("key"), segment.directory().join("ramdisk"));
        for folder in [&key, &ramdisk] {
            fs::create_dir(folder).context("making a directory")?;
        }
        run(Command::new(parts::script("secure-boot.sh")).arg(&key))?;
        for name in ["vmlinuz", "initrd", "boot.efi"] {
            fs::copy(parts::ramdisk()?.join(name), ramdisk.join(name)).context("copying the ramdisk")?;
        }
        Ok((key, ramdisk))
    }

    /// The signed program.
    pub fn signed(&self) -> PathBuf {
        self.ramdisk.join("boot.signed.efi")
    }

    /// Signs as an operator does it, for that server.
    ///
    /// # Errors
    /// It is refused.
    pub fn sign(&self, server: &Server<'_>) -> Result<()> {
        let mut sign = Command::new(parts::underlay()?);
        sign.args(["ramdisk", "sign", "--url", "http://10.77.0.1:7480", "--ca"]);
        sign.arg(server.data().join("ca.pem")).arg("--ramdisk").arg(&self.ramdisk);
        sign.arg("--key").arg(self.key.join("db.key"));
        sign.arg("--certificate").arg(self.key.join("db.crt"));
        if let Some(shim) = &self.shim {
            sign.arg("--shim").arg(shim);
        }
        run(&mut sign)
    }

    /// Flips one bit of the initramfs in the signed program at `path`.
    ///
    /// # Errors
    /// It is not there.
    pub fn change(&self, path: &Path) -> Result<()> {
        let initrd = fs::read(self.ramdisk.join("initrd")).context("reading the initramfs")?;
        let begin = initrd.get(..64).context("an initramfs is longer")?;
        flip(path, begin)
    }
}

/// Flips a bit a little behind where `begin` is in that file.
fn flip(path: &Path, begin: &[u8]) -> Result<()> {
    let mut program = fs::read(path).context("reading the program")?;
    let found = program.windows(begin.len()).position(|window| window == begin);
    let at = found.context("the program holds the initramfs")? + 100_000;
    *program.get_mut(at).context("the initramfs is longer")? ^= 1;
    let beside = path.with_extension("new");
    fs::write(&beside, program).and_then(|()| fs::rename(&beside, path)).context("writing the program")
}
