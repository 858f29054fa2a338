//! The pipeline: one long ranged read of the data blob, cut into segments, handed to the workers; what breaks is read
//! again from the first segment that is not on the disk.
//!
//! Memory is a fixed number of buffers, whatever the image's size: [`BUDGET`] bounds them. A lost connection is tried
//! again for as long as there is progress at least every [`GIVE_UP`]; a segment that is corrupt is fetched again, at
//! most [`STRIKES`] times; a disk that refuses a write ends it at once. Segments are independent, so one that was
//! written is never touched again, and one that was not is written whole: there is nothing in between.

use std::{sync::Arc, thread, time::Duration};

use tokio::time::Instant;
use tracing::{info, warn};
use underlay_core::{
    ErrorKind,
    image::{Encoding, Manifest, Segment},
};

use super::{
    Error,
    buffer::Buffer,
    error::chain,
    worker::{Done, Job, Workers},
};
use crate::{
    disk::Disk,
    pace::Pace,
    source::{self, Body, Source},
};

/// What all buffers may take together.
const BUDGET: usize = 40 << 20;
/// At most so many workers; more do not help one disk.
const MAX_WORKERS: usize = 4;
/// How often one segment may arrive corrupt.
const STRIKES: u32 = 3;
/// How long without any progress until the server is taken for gone.
pub(super) const GIVE_UP: Duration = Duration::from_secs(600);

/// Where the data of an image is.
#[derive(Clone, Copy)]
pub struct Data<'a> {
    /// Who has it.
    pub source: &'a dyn Source,
    /// Under which path.
    pub path: &'a str,
}

/// Writes the image to the disk and returns how many bytes went there. `progress` hears how many bytes of the image
/// are dealt with. When it returns `Ok`, every segment was verified and written; it is not yet synced.
pub async fn write(
    manifest: &Arc<Manifest>,
    data: Data<'_>,
    disk: &Arc<dyn Disk>,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<u64, Error> {
    let shape = Shape::of(manifest, thread::available_parallelism().map_or(1, usize::from));
    let workers = Workers::spawn(shape.workers, shape.buffers, manifest, disk).map_err(Error::Start)?;
    let mut writer = Writer {
        manifest,
        data,
        workers,
        progress,
        free: (0..shape.buffers).map(|_| Buffer::new(shape.stored)).collect(),
        room: shape.buffers,
        under_way: 0,
        finished: vec![State::Wanted; manifest.segments().len()],
        done: 0,
        written: 0,
        strikes: 0,
        moved: Instant::now(),
    };
    let result = writer.run().await;
    let drained = writer.drain().await;
    let written = writer.written;
    writer.workers.join();
    result.and(drained).map(|()| written)
}

/// How many threads and buffers, from what the segments need.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    workers: usize,
    buffers: usize,
    /// Size of a buffer: the longest stored segment.
    stored: usize,
}

impl Shape {
    fn of(manifest: &Manifest, cpus: usize) -> Self {
        let longest = |length: fn(&Segment) -> u64, encoded: fn(&Segment) -> bool| {
            let lengths = manifest.segments().iter().filter(|segment| encoded(segment)).map(length);
            usize::try_from(lengths.max().unwrap_or(0)).unwrap_or(usize::MAX)
        };
        let stored = longest(|segment| segment.stored_length, |_| true);
        let plain = longest(|segment| segment.length, |segment| segment.encoding == Encoding::Zstd);
        // Each worker has a buffer in hand and one to decode into; one more buffer is being filled.
        let each = (stored + plain).max(1);
        let workers = (BUDGET.saturating_sub(stored) / each).clamp(1, MAX_WORKERS).min(cpus + 1);
        let spare = BUDGET.saturating_sub(workers * each) / stored.max(1);
        Self { workers, buffers: workers + spare.clamp(1, 2), stored }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Wanted,
    UnderWay,
    OnDisk,
}

struct Writer<'a> {
    manifest: &'a Arc<Manifest>,
    data: Data<'a>,
    workers: Workers,
    progress: &'a mut (dyn FnMut(u64) + Send),
    free: Vec<Buffer>,
    /// How many jobs may be under way.
    room: usize,
    under_way: usize,
    finished: Vec<State>,
    /// Bytes of the image dealt with.
    done: u64,
    /// Bytes that went to the disk.
    written: u64,
    /// Corrupt segments in a row.
    strikes: u32,
    /// When there last was progress.
    moved: Instant,
}

impl Writer<'_> {
    async fn run(&mut self) -> Result<(), Error> {
        let mut pace = Pace::default();
        loop {
            let before = self.done;
            match self.pass().await {
                Ok(()) if self.finished.iter().all(|state| *state == State::OnDisk) => return Ok(()),
                // A corrupt segment is wanted again.
                Ok(()) => {}
                Err(Error::FetchData(error)) if error.kind() == ErrorKind::Transient => {
                    self.drain().await?;
                    if self.done > before {
                        pace.reset();
                    } else if self.moved.elapsed() > GIVE_UP {
                        return Err(Error::FetchData(error));
                    }
                    warn!(at = self.done, error = chain(&error), "image data interrupted, reading on");
                    pace.wait().await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Once through the segments that are wanted.
    async fn pass(&mut self) -> Result<(), Error> {
        let manifest = Arc::clone(self.manifest);
        let stream = &mut Stream::new(self.data, manifest.stored_size());
        for (index, segment) in manifest.segments().iter().enumerate() {
            if self.finished.get(index) != Some(&State::Wanted) {
                continue;
            }
            while self.under_way >= self.room {
                self.settle().await?;
            }
            let stored = match segment.encoding {
                Encoding::Hole => None,
                Encoding::Raw | Encoding::Zstd => Some(self.fetch(stream, segment).await?),
            };
            self.hand_over(Job { index, stored }).await?;
        }
        self.drain().await
    }

    /// Reads a segment's stored bytes into a free buffer.
    async fn fetch(&mut self, stream: &mut Stream<'_>, segment: &Segment) -> Result<Buffer, Error> {
        let mut buffer = loop {
            match self.free.pop() {
                Some(buffer) => break buffer,
                None => self.settle().await?,
            }
        };
        let length = usize::try_from(segment.stored_length).unwrap_or(0);
        match stream.fill(segment.stored_offset, buffer.head_mut(length)).await {
            Ok(()) => Ok(buffer),
            Err(error) => {
                self.free.push(buffer);
                Err(Error::FetchData(error))
            }
        }
    }

    async fn hand_over(&mut self, job: Job) -> Result<(), Error> {
        if let Some(state) = self.finished.get_mut(job.index) {
            *state = State::UnderWay;
        }
        self.under_way += 1;
        let gone = |_| Error::Start(std::io::Error::other("the writers are gone"));
        self.workers.jobs.send(job).await.map_err(gone)
    }

    /// Waits for everything that is under way.
    async fn drain(&mut self) -> Result<(), Error> {
        let mut result = Ok(());
        while self.under_way > 0 {
            result = result.and(self.settle().await);
        }
        result
    }

    /// Waits for one job and takes its result.
    async fn settle(&mut self) -> Result<(), Error> {
        let Some(Done { index, stored, written }) = self.workers.done.recv().await else {
            self.under_way = 0;
            return Err(Error::Start(std::io::Error::other("a writer is gone")));
        };
        self.under_way -= 1;
        self.free.extend(stored);
        let (state, result) = match written {
            Ok(written) => {
                self.written += written;
                self.done += self.manifest.segments().get(index).map_or(0, |segment| segment.length);
                self.moved = Instant::now();
                self.strikes = 0;
                (self.progress)(self.done);
                (State::OnDisk, Ok(()))
            }
            Err(Error::Corrupt(mismatch)) if self.strikes + 1 < STRIKES => {
                self.strikes += 1;
                info!(error = %mismatch, "segment refused, fetching it again");
                (State::Wanted, Ok(()))
            }
            Err(error) => (State::Wanted, Err(error)),
        };
        if let Some(place) = self.finished.get_mut(index) {
            *place = state;
        }
        result
    }
}

/// The data blob from some byte on; opened anew when another byte is wanted than the next one.
pub(super) struct Stream<'a> {
    data: Data<'a>,
    body: Option<Box<dyn Body>>,
    at: u64,
    rest: bytes::Bytes,
    end: u64,
}

impl<'a> Stream<'a> {
    pub(super) fn new(data: Data<'a>, end: u64) -> Self {
        Self { data, body: None, at: 0, rest: bytes::Bytes::new(), end }
    }

    /// Fills `into` with the blob's bytes from `from`.
    pub(super) async fn fill(&mut self, from: u64, into: &mut [u8]) -> Result<(), source::Error> {
        let mut body = match self.body.take() {
            Some(body) if self.at == from => body,
            _ => {
                self.rest.clear();
                self.at = from;
                self.data.source.open(self.data.path, from..self.end).await?
            }
        };
        let mut left = into;
        while !left.is_empty() {
            if self.rest.is_empty() {
                let missing = left.len() as u64;
                let truncated = || source::Error::Truncated { path: self.data.path.to_owned(), missing };
                self.rest = body.chunk().await?.ok_or_else(truncated)?;
            }
            let (now, later) = left.split_at_mut(left.len().min(self.rest.len()));
            now.copy_from_slice(&self.rest.split_to(now.len()));
            self.at += now.len() as u64;
            left = later;
        }
        self.body = Some(body);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
