//! What goes wrong on the server itself when it runs a QEMU machine.

use std::{io, path::PathBuf};

use underlay_core::Bytes;

use super::client;

/// A failed act.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory could not be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// A file or directory could not be written, made or removed.
    #[error("cannot write {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// The record of a machine is damaged.
    #[error("{path} does not read as the record of a machine; repair it, or remove it to start from none")]
    Decode {
        /// Which.
        path: PathBuf,
        /// Where it does not fit.
        #[source]
        source: serde_json::Error,
    },
    /// A path that QEMU's command line cannot carry.
    #[error("{0} is not valid UTF-8")]
    Path(PathBuf),
    /// UEFI was asked for and there is no firmware.
    #[error(
        "there is no OVMF firmware in the usual places; install the package \"ovmf\" or configure its paths"
    )]
    NoFirmware,
    /// A disk would have to become smaller.
    #[error("disk {position} holds {held} and cannot become {wanted}; a disk only grows")]
    Shrink {
        /// Its place in the list, from 0.
        position: usize,
        /// What it holds.
        held: Bytes,
        /// What is wanted.
        wanted: Bytes,
    },
    /// The boot URL does not fit into BOOTP's file field.
    #[error("the boot URL {0} is longer than 127 bytes")]
    BootUrl(String),
    /// No loopback port could be had.
    #[error("no free TCP port on 127.0.0.1")]
    Port(#[source] io::Error),
    /// QEMU could not be run at all.
    #[error("cannot run {program}; install the package \"qemu-system-x86\" or configure its path")]
    Run {
        /// The program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// QEMU gave up while starting.
    #[error("QEMU did not start: {0}")]
    Start(String),
    /// The state of a process could not be learnt or changed.
    #[error("cannot {act} process {pid}")]
    Process {
        /// What was to be done.
        act: &'static str,
        /// To which.
        pid: i32,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// It does not go away.
    #[error("process {0} is still there after being killed")]
    Undead(i32),
    /// The control socket fails.
    #[error("the machine's control socket fails")]
    Control(#[from] client::Error),
    /// Something else answers where our machine should.
    #[error("the process in {path} calls itself \"{name}\"; it is left alone")]
    Foreign {
        /// Where.
        path: PathBuf,
        /// How it calls itself.
        name: String,
    },
}

impl Error {
    /// As the error of a driver call that was to `wish`.
    pub(super) fn during(self, wish: impl Into<String>) -> underlay_core::bmc::Error {
        match self {
            Error::Shrink { .. } | Error::BootUrl(_) => underlay_core::bmc::Error::Invalid(self.to_string()),
            other => underlay_core::bmc::Error::Local { wish: wish.into(), source: Box::new(other) },
        }
    }
}
