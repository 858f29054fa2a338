//! Is the machine's process there, and which one is it?
//!
//! QEMU holds a POSIX record lock on its pid file for as long as it lives. The kernel names the holder, so a stale
//! file or a pid used again by another process is never mistaken for it, and nothing else is ever signalled.

use std::{fs::File, io, os::fd::OwnedFd, path::Path, time::Duration};

use rustix::process::{
    Flock, FlockType, Pid, PidfdFlags, Signal, fcntl_getlk, pidfd_open, pidfd_send_signal,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    time::timeout,
};

use super::Error;

/// A process that holds its pid file.
pub(super) struct Process {
    pid: Pid,
    handle: OwnedFd,
}

impl Process {
    /// The process that holds `pid_file`.
    pub(super) fn find(pid_file: &Path) -> Result<Option<Self>, Error> {
        let unread = |source| Error::Read { path: pid_file.to_owned(), source };
        let Some(pid) = holder(pid_file).map_err(unread)? else { return Ok(None) };
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => handle,
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            Err(source) => {
                return Err(Error::Process { act: "watch", pid: pid.as_raw_pid(), source: source.into() });
            }
        };
        // Still the holder after the handle was had: the handle is for that very process.
        match holder(pid_file).map_err(unread)? {
            Some(again) if again == pid => Ok(Some(Self { pid, handle })),
            _ => Ok(None),
        }
    }

    /// End it at once.
    pub(super) fn kill(&self) -> Result<(), Error> {
        match pidfd_send_signal(&self.handle, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(source) => Err(self.failed("kill", source.into())),
        }
    }

    /// Wait at most `patience` for its end; false when it is still there.
    pub(super) async fn ends_within(&self, patience: Duration) -> Result<bool, Error> {
        let handle = self.handle.try_clone().map_err(|source| self.failed("watch", source))?;
        // An OwnedFd is all that the function's unsafe successor asks for.
        #[allow(deprecated)]
        let watched = AsyncFd::with_interest(handle, Interest::READABLE)
            .map_err(|source| self.failed("watch", source))?;
        match timeout(patience, watched.readable()).await {
            Ok(Ok(_)) => Ok(true),
            Ok(Err(source)) => Err(self.failed("watch", source)),
            Err(_) => Ok(false),
        }
    }

    /// Its pid, for messages.
    pub(super) fn pid(&self) -> i32 {
        self.pid.as_raw_pid()
    }

    fn failed(&self, act: &'static str, source: io::Error) -> Error {
        Error::Process { act, pid: self.pid(), source }
    }
}

fn holder(pid_file: &Path) -> io::Result<Option<Pid>> {
    let file = match File::open(pid_file) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let lock = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock))?;
    Ok(lock.and_then(|lock| lock.pid))
}
