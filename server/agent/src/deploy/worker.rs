//! The threads that verify, decode and write segments, each one whole segment at a time.
//!
//! Jobs come by a bounded channel and go back with their buffer, so memory is what was allocated at the start and
//! nothing more. A segment is hashed before anything else is done with it; only then is it decoded, into memory of
//! exactly the size the manifest promises, and written.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use tokio::sync::mpsc;
use underlay_core::image::{Encoding, Manifest, Segment};

use super::{Error, buffer::Buffer};
use crate::disk::Disk;

/// A segment to deal with, and its stored bytes unless it is a hole.
#[derive(Debug)]
pub(super) struct Job {
    /// Its place in the manifest.
    pub(super) index: usize,
    /// Its stored bytes, from the buffer's beginning.
    pub(super) stored: Option<Buffer>,
}

/// How it went.
#[derive(Debug)]
pub(super) struct Done {
    /// Its place in the manifest.
    pub(super) index: usize,
    /// The buffer, for the next one.
    pub(super) stored: Option<Buffer>,
    /// Bytes that went to the disk.
    pub(super) written: Result<u64, Error>,
}

/// The threads and the two ends of their channels.
#[derive(Debug)]
pub(super) struct Workers {
    pub(super) jobs: mpsc::Sender<Job>,
    pub(super) done: mpsc::Receiver<Done>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts `count` threads; at most `queue` jobs may be under way.
    pub(super) fn spawn(
        count: usize,
        queue: usize,
        manifest: &Arc<Manifest>,
        disk: &Arc<dyn Disk>,
    ) -> io::Result<Self> {
        let (jobs, takes) = mpsc::channel(queue);
        let (gives, done) = mpsc::channel(queue);
        let takes = Arc::new(Mutex::new(takes));
        let thread = |_| {
            let (takes, gives) = (Arc::clone(&takes), gives.clone());
            let (manifest, disk) = (Arc::clone(manifest), Arc::clone(disk));
            thread::Builder::new()
                .name("write".into())
                .stack_size(256 << 10)
                .spawn(move || work(&takes, &gives, &manifest, &*disk))
        };
        let threads = (0..count).map(thread).collect::<io::Result<_>>()?;
        Ok(Self { jobs, done, threads })
    }

    /// Ends the threads; they finish the job in hand.
    pub(super) fn join(self) {
        drop((self.jobs, self.done));
        for thread in self.threads {
            // A panic in a worker was seen by whoever waited for its answer.
            let _ = thread.join();
        }
    }
}

fn work(
    takes: &Mutex<mpsc::Receiver<Job>>,
    gives: &mpsc::Sender<Done>,
    manifest: &Manifest,
    disk: &dyn Disk,
) {
    let mut decoder = Decoder::default();
    loop {
        let job = takes.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(Job { index, stored }) = job else { return };
        let written = match manifest.segments().get(index) {
            Some(segment) => write(segment, stored.as_ref(), &mut decoder, disk),
            None => Ok(0),
        };
        if gives.blocking_send(Done { index, stored, written }).is_err() {
            return;
        }
    }
}

/// Verifies, decodes and writes one segment; returns the bytes that went to the disk.
fn write(
    segment: &Segment,
    stored: Option<&Buffer>,
    decoder: &mut Decoder,
    disk: &dyn Disk,
) -> Result<u64, Error> {
    let offset = segment.offset;
    let failed = |source| Error::Write { offset, source };
    let stored =
        stored.map_or(&[][..], |stored| stored.head(usize::try_from(segment.stored_length).unwrap_or(0)));
    match segment.encoding {
        Encoding::Hole => return disk.zero(offset, segment.length).map_err(failed),
        Encoding::Raw => {
            segment.check(stored).map_err(Error::Corrupt)?;
            disk.write(offset, stored).map_err(failed)?;
        }
        Encoding::Zstd => disk.write(offset, decoder.decode(segment, stored)?).map_err(failed)?,
    }
    Ok(segment.length)
}

/// Decodes segments into a buffer that grows to the largest of them (the manifest bounds it).
#[derive(Default)]
pub(super) struct Decoder {
    context: Option<zstd::bulk::Decompressor<'static>>,
    plain: Option<Buffer>,
}

impl Decoder {
    /// The segment's bytes, after its stored bytes were verified.
    pub(super) fn decode<'a>(&'a mut self, segment: &Segment, stored: &'a [u8]) -> Result<&'a [u8], Error> {
        segment.check(stored).map_err(Error::Corrupt)?;
        let length = usize::try_from(segment.length).unwrap_or(0);
        if segment.encoding == Encoding::Raw {
            return Ok(stored);
        }
        if self.plain.as_ref().is_none_or(|plain| plain.capacity() < length) {
            self.plain = Some(Buffer::new(length));
        }
        let plain = self.plain.as_mut().expect("it was made above if it was not there");
        if segment.encoding == Encoding::Hole {
            plain.head_mut(length).fill(0);
            return Ok(plain.head(length));
        }
        let bad = |source| Error::Decode { offset: segment.offset, source };
        let context = match &mut self.context {
            Some(context) => context,
            none => none.insert(zstd::bulk::Decompressor::new().map_err(bad)?),
        };
        let found = context.decompress_to_buffer(stored, plain.head_mut(length)).map_err(bad)?;
        if found != length {
            return Err(bad(io::Error::other(format!("{found} bytes came out, {length} were promised"))));
        }
        Ok(plain.head(length))
    }
}
