//! The one place through which source bytes enter: counts them, hashes them, bounds them, and ends when told to.
//!
//! Decoders turn every error of what they read into one of their own, so the tap keeps the first thing that went wrong;
//! whoever sees a decoder fail asks here for the cause first.

use std::{
    io::{self, Read},
    sync::Arc,
};

use bytes::{Buf, Bytes};
use sha2::{Digest, Sha256 as Hasher};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use underlay_core::image::Sha256;

use crate::{fetch, import::Error, progress};

/// What comes over the channel from whoever fetches.
pub(crate) enum Chunk {
    /// The next bytes of the source.
    Data(Bytes),
    /// The source is complete.
    End,
    /// It cannot be had.
    Fetch(fetch::Error),
    /// Whoever sends it failed.
    Upload(io::Error),
}

/// The source as a reader. Measures what is read, not what was promised.
pub(crate) struct Tap {
    inner: Inner,
    hasher: Hasher,
    read: u64,
    limit: u64,
    progress: Arc<progress::Sender>,
    cancelled: CancellationToken,
    failure: Option<Error>,
}

/// Where the bytes come from.
pub(crate) enum Inner {
    /// A file, read directly.
    File(std::fs::File),
    /// A task that fetches; with what is left of the last chunk.
    Channel(mpsc::Receiver<Chunk>, Bytes),
    /// Nowhere any more: it has been read to its end.
    Ended,
}

impl Tap {
    pub(crate) fn new(
        inner: Inner,
        limit: u64,
        progress: Arc<progress::Sender>,
        cancelled: CancellationToken,
    ) -> Self {
        Self { inner, hasher: Hasher::new(), read: 0, limit, progress, cancelled, failure: None }
    }

    /// What went wrong with the source itself, if anything did.
    pub(crate) fn take_failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// Reads what is left, so that the checksum is of the whole source, and compares it.
    pub(crate) fn check(&mut self, expected: Sha256) -> Result<(), Error> {
        let drained = io::copy(self, &mut io::sink());
        if let Some(failure) = self.take_failure() {
            return Err(failure);
        }
        drained.map_err(Error::ReadSource)?;
        let found = Sha256::from_bytes(self.hasher.clone().finalize().into());
        if self.read == 0 {
            return Err(Error::Empty);
        }
        if found != expected {
            return Err(Error::WrongChecksum { expected, found, read: self.read });
        }
        Ok(())
    }

    /// Ends the import if nobody wants it any more.
    pub(crate) fn check_cancelled(&self) -> Result<(), Error> {
        if self.cancelled.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    fn fill(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        self.check_cancelled()?;
        let count = self.inner.read(buf)?;
        self.read += count as u64;
        if self.read > self.limit {
            return Err(Error::SourceTooLarge { limit: self.limit });
        }
        self.hasher.update(buf.get(..count).unwrap_or_default());
        self.progress.send_modify(|p| p.read = self.read);
        Ok(count)
    }
}

impl Read for Tap {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.failure.is_some() {
            return Err(io::Error::other("the source has failed"));
        }
        self.fill(buf).map_err(|error| {
            let shown = io::Error::other(error.to_string());
            self.failure = Some(error);
            shown
        })
    }
}

impl Inner {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        match self {
            Inner::Ended => Ok(0),
            Inner::File(file) => loop {
                match file.read(buf) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => return other.map_err(Error::ReadSource),
                }
            },
            Inner::Channel(chunks, left) => {
                while left.is_empty() {
                    match chunks.blocking_recv() {
                        Some(Chunk::Data(bytes)) => *left = bytes,
                        Some(Chunk::End) => {
                            *self = Inner::Ended;
                            return Ok(0);
                        }
                        Some(Chunk::Fetch(error)) => return Err(error.into()),
                        Some(Chunk::Upload(error)) => return Err(Error::ReadSource(error)),
                        // The sender went away without a word: the import was dropped.
                        None => return Err(Error::Cancelled),
                    }
                }
                let count = left.len().min(buf.len());
                left.copy_to_slice(buf.get_mut(..count).unwrap_or_default());
                Ok(count)
            }
        }
    }
}
