//! The encoding pipeline: bytes of the disk are pushed in, segments come out in order, all cores work in between.
//!
//! ```text
//! push -> [segment of 4 MiB] -> worker (holes, zstd, BLAKE3) -> writer, in order -> data blob
//! ```
//!
//! Memory is bounded by the queue, which holds one slot per segment under way: at most (workers + 2) segments, raw and
//! encoded. Whole holes never reach a worker. Dropping an [`Encoder`] waits for its threads, so whoever owns the blob
//! may remove it afterwards.

use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, SyncSender},
    },
    thread::JoinHandle,
};

use underlay_core::image::{Encoding, Segment, manifest::SECTOR_SIZE};

use crate::segment::{self, LENGTH, Piece};

const MAX_WORKERS: usize = 8;

/// Why encoding stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("a thread for encoding cannot be started")]
    Spawn(#[source] io::Error),
    #[error(transparent)]
    Encode(#[from] segment::Error),
    #[error("writing the encoded image failed")]
    Write(#[source] io::Error),
    #[error("a thread that encodes ended without an answer")]
    Lost,
}

struct Job {
    offset: u64,
    bytes: Vec<u8>,
    reply: SyncSender<Result<Vec<Piece>, segment::Error>>,
}

/// What the writer waits for next.
enum Slot {
    Hole(u64),
    Encoding(Receiver<Result<Vec<Piece>, segment::Error>>),
}

/// The writer's answer: what it wrote to, and the segments in it.
type Written<W> = Result<(W, Vec<Segment>), Error>;

/// The pipeline. Push the disk from its first byte on, then [`Encoder::finish`].
pub(crate) struct Encoder<W> {
    jobs: Option<SyncSender<Job>>,
    slots: Option<SyncSender<Slot>>,
    workers: Vec<JoinHandle<()>>,
    writer: Option<JoinHandle<Written<W>>>,
    buffer: Vec<u8>,
    offset: u64,
}

impl<W: Write + Send + 'static> Encoder<W> {
    /// A pipeline that writes stored bytes to `out`.
    pub(crate) fn new(out: W) -> Result<Self, Error> {
        let count = std::thread::available_parallelism().map_or(1, |n| n.get().min(MAX_WORKERS));
        let (jobs, queue) = mpsc::sync_channel::<Job>(count);
        let (slots, order) = mpsc::sync_channel(count + 2);
        let mut encoder = Self {
            jobs: Some(jobs),
            slots: Some(slots),
            workers: Vec::with_capacity(count),
            writer: Some(spawn("image-write", move || write(out, &order))?),
            buffer: Vec::new(),
            offset: 0,
        };
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..count {
            let queue = Arc::clone(&queue);
            encoder.workers.push(spawn("image-encode", move || work(&queue))?);
        }
        Ok(encoder)
    }

    /// How much of the disk has been pushed, in bytes.
    pub(crate) fn offset(&self) -> u64 {
        self.offset + self.buffer.len() as u64
    }

    /// The next bytes of the disk.
    pub(crate) fn data(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            if self.buffer.capacity() == 0 {
                self.buffer.reserve_exact(LENGTH);
            }
            let room = LENGTH - self.buffer.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() == LENGTH {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// The next `length` bytes of the disk are zeros.
    pub(crate) fn zeros(&mut self, mut length: u64) -> Result<(), Error> {
        if !self.buffer.is_empty() {
            let room = (LENGTH - self.buffer.len()) as u64;
            let fill = room.min(length);
            self.buffer.resize(self.buffer.len() + fill as usize, 0);
            length -= fill;
            if fill == room {
                self.flush()?;
            }
        }
        let whole = length - length % LENGTH as u64;
        if whole > 0 {
            self.send(Slot::Hole(whole))?;
            self.offset += whole;
        }
        self.buffer.resize(self.buffer.len() + (length - whole) as usize, 0);
        Ok(())
    }

    /// Rounds the disk up to a whole sector and gives back the writer, the segments and the disk's size in bytes.
    pub(crate) fn finish(mut self) -> Result<(W, Vec<Segment>, u64), Error> {
        let rounded = self.offset().next_multiple_of(SECTOR_SIZE);
        self.buffer.resize(self.buffer.len() + (rounded - self.offset()) as usize, 0);
        if !self.buffer.is_empty() {
            self.flush()?;
        }
        let (out, segments) = self.close()?;
        Ok((out, segments, rounded))
    }

    fn flush(&mut self) -> Result<(), Error> {
        let bytes = std::mem::take(&mut self.buffer);
        let (reply, answer) = mpsc::sync_channel(1);
        let (offset, length) = (self.offset, bytes.len() as u64);
        self.send(Slot::Encoding(answer))?;
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(Job { offset, bytes, reply }).is_ok());
        self.offset += length;
        if sent { Ok(()) } else { Err(self.failure()) }
    }

    fn send(&mut self, slot: Slot) -> Result<(), Error> {
        let sent = self.slots.as_ref().is_some_and(|slots| slots.send(slot).is_ok());
        if sent { Ok(()) } else { Err(self.failure()) }
    }

    /// Why a thread went away.
    fn failure(&mut self) -> Error {
        self.close().err().unwrap_or(Error::Lost)
    }
}

impl<W> Encoder<W> {
    /// Lets the threads run dry and waits for them.
    fn close(&mut self) -> Written<W> {
        self.jobs = None;
        self.slots = None;
        for worker in self.workers.drain(..) {
            // A worker that panicked never answered, and the writer says so.
            let _ = worker.join();
        }
        let writer = self.writer.take().ok_or(Error::Lost)?;
        writer.join().map_err(|_| Error::Lost)?
    }
}

impl<W> Drop for Encoder<W> {
    fn drop(&mut self) {
        let _ = self.close();
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Error> {
    std::thread::Builder::new().name(name.into()).spawn(run).map_err(Error::Spawn)
}

fn work(queue: &Mutex<Receiver<Job>>) {
    let mut encoder = None;
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { offset, bytes, reply }) = next else { return };
        let pieces = match &mut encoder {
            Some(encoder) => segment::Encoder::encode(encoder, offset, &bytes),
            none => segment::Encoder::new()
                .map_err(|source| segment::Error::Compress { offset, source })
                .and_then(|new| none.insert(new).encode(offset, &bytes)),
        };
        // Nobody waits any more once the writer has failed.
        let _ = reply.send(pieces);
    }
}

fn write<W: Write>(mut out: W, order: &Receiver<Slot>) -> Written<W> {
    let mut layout = Layout::default();
    for slot in order {
        match slot {
            Slot::Hole(length) => layout.place(&Piece::hole(length)),
            Slot::Encoding(answer) => {
                for piece in answer.recv().map_err(|_| Error::Lost)?? {
                    out.write_all(&piece.stored).map_err(Error::Write)?;
                    layout.place(&piece);
                }
            }
        }
    }
    out.flush().map_err(Error::Write)?;
    Ok((out, layout.segments))
}

/// The segments so far, and where the next one goes.
#[derive(Default)]
struct Layout {
    segments: Vec<Segment>,
    offset: u64,
    stored_offset: u64,
}

impl Layout {
    /// Appends `piece`; a hole behind a hole makes that one longer.
    fn place(&mut self, piece: &Piece) {
        let stored_length = piece.stored.len() as u64;
        match self.segments.last_mut() {
            Some(last) if last.encoding == Encoding::Hole && piece.encoding == Encoding::Hole => {
                last.length += piece.length;
            }
            _ => self.segments.push(Segment {
                offset: self.offset,
                length: piece.length,
                encoding: piece.encoding,
                stored_offset: self.stored_offset,
                stored_length,
                blake3: piece.blake3,
            }),
        }
        self.offset += piece.length;
        self.stored_offset += stored_length;
    }
}

#[cfg(test)]
mod tests {
    use underlay_core::image::{Manifest, Sha256};

    use super::*;

    fn encode(push: impl FnOnce(&mut Encoder<Vec<u8>>)) -> (Manifest, Vec<u8>) {
        let mut encoder = Encoder::new(Vec::new()).unwrap();
        push(&mut encoder);
        let (blob, segments, size) = encoder.finish().unwrap();
        let manifest = Manifest::new(Sha256::from_bytes([0; 32]), size, segments).unwrap();
        assert_eq!(manifest.stored_size(), blob.len() as u64);
        (manifest, blob)
    }

    #[test]
    fn zeros_pushed_as_such_and_zeros_pushed_as_bytes_give_the_same_image() {
        let declared = encode(|e| {
            e.data(&[1; 100_000]).unwrap();
            e.zeros(50 << 20).unwrap();
            e.data(&[2; 100_000]).unwrap();
        });
        let written = encode(|e| {
            e.data(&[1; 100_000]).unwrap();
            e.data(&vec![0; 50 << 20]).unwrap();
            e.data(&[2; 100_000]).unwrap();
        });
        assert_eq!(declared, written);
        let holes = declared.0.segments().iter().filter(|s| s.encoding == Encoding::Hole).count();
        assert_eq!(holes, 1, "neighbouring holes are merged");
    }

    #[test]
    fn a_disk_is_rounded_up_to_a_sector() {
        let (manifest, _) = encode(|e| e.data(&[1; 513]).unwrap());
        assert_eq!(manifest.virtual_size(), 1024);
    }

    #[test]
    fn a_writer_that_fails_is_named_and_no_thread_stays() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut encoder = Encoder::new(Full).unwrap();
        let pushed = (0..64).try_for_each(|_| encoder.data(&[7; LENGTH]));
        let error = pushed.and_then(|()| encoder.finish().map(|_| ())).unwrap_err();
        assert!(matches!(error, Error::Write(source) if source.kind() == io::ErrorKind::StorageFull));
    }
}
