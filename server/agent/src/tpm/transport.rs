//! The way to a TPM: bytes out, bytes in, one command at a time.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::{fs::OpenOptionsExt, net::UnixStream},
    path::Path,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
};

use super::wire::MOST;

/// A TPM that takes a command and answers.
pub trait Transport {
    /// Sends a command and waits for its answer, which is at most [`MOST`] bytes.
    ///
    /// # Errors
    /// The way is broken, or the answer does not come in time.
    fn exchange(&mut self, command: &[u8]) -> io::Result<Vec<u8>>;
}

/// The kernel's device with a resource manager, `/dev/tpmrm0`: keys that this process loads are its own, and go with it.
#[derive(Debug)]
pub struct Device {
    file: File,
    patience: Duration,
}

impl Device {
    /// Opens it. A command may take as long as `patience`: making an RSA key takes some TPMs half a minute.
    ///
    /// # Errors
    /// It is not there, or not for us.
    pub fn open(path: &Path, patience: Duration) -> io::Result<Self> {
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).map_err(io::Error::other)?;
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)?;
        Ok(Self { file, patience })
    }
}

impl Transport for Device {
    fn exchange(&mut self, command: &[u8]) -> io::Result<Vec<u8>> {
        // The device takes a command in one piece and gives an answer in one.
        let written = self.file.write(command)?;
        if written != command.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let limit = Timespec::try_from(self.patience).map_err(io::Error::other)?;
        let mut waiting = [PollFd::new(&self.file, PollFlags::IN)];
        if poll(&mut waiting, Some(&limit))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let mut answer = vec![0; MOST];
        let length = self.file.read(&mut answer)?;
        answer.truncate(length);
        Ok(answer)
    }
}

/// A software TPM's data socket; how long it may take is set on the socket.
impl Transport for UnixStream {
    fn exchange(&mut self, command: &[u8]) -> io::Result<Vec<u8>> {
        self.write_all(command)?;
        let mut answer = vec![0; 10];
        self.read_exact(&mut answer)?;
        let length = answer.get(2..6).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
        let length = length.and_then(|length| usize::try_from(length).ok());
        let length =
            length.filter(|length| (10..=MOST).contains(length)).ok_or(io::ErrorKind::InvalidData)?;
        answer.resize(length, 0);
        self.read_exact(answer.get_mut(10..).unwrap_or_default())?;
        Ok(answer)
    }
}
