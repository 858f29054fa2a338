//! The files of one QEMU host: `<data>/qemu/<host id>/`, readable by the server's user only.
//!
//! ```text
//! disk0.raw ...   sparse raw disks       qemu.pid      held by the running process
//! vars.fd         UEFI variables         qmp.sock      control socket
//! machine.json    what is remembered     console.log   what the guest writes to its serial port
//! qemu.log        QEMU's own complaints
//! start.sh        starts it from its disk by hand, without the server
//! ```
//!
//! Disks are made by truncation and grow, never shrink; what is in them is never read here.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use underlay_core::{Bytes, ObjectId};

use super::{Error, Ovmf};

/// The control socket's name.
pub(super) const SOCKET: &str = "qmp.sock";
/// A console log longer than this is set aside at the next power-on.
const LONG_LOG: u64 = 8 << 20;

/// Where the files of one host lie.
#[derive(Clone, Debug)]
pub(super) struct Directory(PathBuf);

impl Directory {
    /// That of `host` below `data`; nothing is made yet.
    pub(super) fn new(data: &Path, host: ObjectId) -> Result<Self, Error> {
        let data =
            std::path::absolute(data).map_err(|source| Error::Read { path: data.to_owned(), source })?;
        Ok(Self(data.join("qemu").join(host.to_string())))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The directory that holds those of all hosts.
    pub(super) fn all_hosts(&self) -> &Path {
        self.0.parent().unwrap_or(&self.0)
    }

    pub(super) fn disk(&self, position: usize) -> PathBuf {
        self.0.join(format!("disk{position}.raw"))
    }

    pub(super) fn vars(&self) -> PathBuf {
        self.0.join("vars.fd")
    }

    pub(super) fn pid_file(&self) -> PathBuf {
        self.0.join("qemu.pid")
    }

    pub(super) fn console(&self) -> PathBuf {
        self.0.join("console.log")
    }

    /// What QEMU itself last had to say.
    pub(super) fn complaints(&self) -> PathBuf {
        self.0.join("qemu.log")
    }

    /// Make the directory where it is missing.
    pub(super) fn create(&self) -> Result<(), Error> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&self.0).map_err(|source| self.unwritten(&self.0, source))
    }

    /// Make the disks that are missing and lengthen those that are too short.
    pub(super) fn ensure_disks(&self, sizes: &[Bytes]) -> Result<(), Error> {
        for (position, wanted) in sizes.iter().enumerate() {
            let path = self.disk(position);
            let resize = || {
                let mut options = OpenOptions::new();
                let file =
                    options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
                let held = file.metadata()?.len();
                if held < wanted.0 {
                    file.set_len(wanted.0)?;
                }
                Ok(Bytes(held))
            };
            let held = resize().map_err(|source| self.unwritten(&path, source))?;
            if held > *wanted {
                return Err(Error::Shrink { position, held, wanted: *wanted });
            }
        }
        Ok(())
    }

    /// Make the host's own UEFI variable store where it is missing.
    pub(super) fn ensure_vars(&self, ovmf: &Ovmf) -> Result<(), Error> {
        let vars = self.vars();
        if vars.try_exists().map_err(|source| Error::Read { path: vars.clone(), source })? {
            return Ok(());
        }
        // Copied beside and renamed: a half-copied store would brick the machine for good.
        let beside = self.0.join("vars.fd.new");
        fs::copy(&ovmf.vars, &beside)
            .and_then(|_| fs::set_permissions(&beside, fs::Permissions::from_mode(0o600)))
            .and_then(|()| fs::rename(&beside, &vars))
            .map_err(|source| self.unwritten(&vars, source))
    }

    /// The last `most` bytes of what the guest wrote to its serial port, as text without escapes; none before the first
    /// power-on.
    pub(super) fn console_end(&self, most: usize) -> Result<Option<String>, Error> {
        let path = self.console();
        let unread = |source| Error::Read { path: path.clone(), source };
        let mut file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unread(error)),
        };
        let length = file.metadata().map_err(unread)?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(most as u64))).map_err(unread)?;
        let mut bytes = Vec::new();
        file.take(most as u64).read_to_end(&mut bytes).map_err(unread)?;
        let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
        Ok(Some(text.chars().filter(|c| !c.is_control() || *c == '\n').collect()))
    }

    /// Set a long console log aside, dropping the one set aside before.
    pub(super) fn rotate_console(&self) -> Result<(), Error> {
        let console = self.console();
        match fs::metadata(&console) {
            Ok(metadata) if metadata.len() > LONG_LOG => fs::rename(&console, self.0.join("console.log.1"))
                .map_err(|source| self.unwritten(&console, source)),
            _ => Ok(()),
        }
    }

    /// Write the script that starts the machine from its disk while the server is stopped.
    pub(super) fn write_start(&self, program: &Path, arguments: &[String]) -> Result<(), Error> {
        let path = self.0.join("start.sh");
        let mut script = String::from(
            "#!/bin/sh\n# Starts this machine from its own disk while the server is stopped.\ncd \"$(dirname \"$0\")\" && exec",
        );
        for word in std::iter::once(&*program.to_string_lossy()).chain(arguments.iter().map(String::as_str)) {
            script.push_str(" \\\n  '");
            script.push_str(&word.replace('\'', "'\\''"));
            script.push('\'');
        }
        script.push('\n');
        fs::write(&path, script)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o700)))
            .map_err(|source| self.unwritten(&path, source))
    }

    /// Remove it with all it holds.
    pub(super) fn remove(&self) -> Result<(), Error> {
        match fs::remove_dir_all(&self.0) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(self.unwritten(&self.0, source)),
            _ => Ok(()),
        }
    }

    fn unwritten(&self, path: &Path, source: io::Error) -> Error {
        Error::Write { path: path.to_owned(), source }
    }
}
