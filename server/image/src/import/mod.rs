//! The way of an image into the store.
//!
//! - `convert`: from source bytes to a data blob and its segments, on a thread of its own
//! - `error`: what can go wrong, and how a person is told
//!
//! One import of one image at a time: whoever asks for the same meanwhile waits, then finds it in the store, or tries
//! its own source if the first one failed. Dropping the future ends the import and leaves nothing behind.

mod convert;
mod error;

pub use error::Error;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::{OwnedMutexGuard, mpsc},
};
use tokio_util::sync::CancellationToken;
use underlay_core::image::Sha256;

use crate::{
    Image, Limits, Phase, Source, Store,
    fetch::Fetcher,
    progress,
    source::Url,
    store,
    tap::{Chunk, Inner, Tap},
};

/// Chunks on their way from the network; each has at most some tens of kilobytes.
const CHUNKS: usize = 64;
const UPLOAD_CHUNK: usize = 64 << 10;

type Gates = Mutex<HashMap<Sha256, Weak<tokio::sync::Mutex<()>>>>;

/// Imports images into one store; cheap to clone, and clones share their gates.
#[derive(Clone, Debug)]
pub struct Importer {
    store: Store,
    fetcher: Fetcher,
    limits: Limits,
    gates: Arc<Gates>,
}

impl Importer {
    /// An importer into `store`.
    pub fn new(store: Store, fetcher: Fetcher, limits: Limits) -> Self {
        Self { store, fetcher, limits, gates: Arc::default() }
    }

    /// Imports `source`, which must hash to `sha256`, and returns the image; at once if the store has it.
    pub async fn import(
        &self,
        source: Source,
        sha256: Sha256,
        progress: progress::Sender,
    ) -> Result<Image, Error> {
        let gate = self.enter(sha256).await;
        if let Some(image) = self.store.find(sha256).await? {
            progress.send_modify(|p| p.phase = Phase::Done);
            return Ok(image);
        }
        progress.send_modify(|p| p.phase = Phase::Reading);
        let progress = Arc::new(progress);
        let cancelled = CancellationToken::new();
        let _cancel_on_drop = cancelled.clone().drop_guard();
        let (sink, chunks) = mpsc::channel(CHUNKS);
        let channel = Inner::Channel(chunks, Bytes::new());
        let (inner, remote) = match source {
            Source::Url(url) => (channel, Some(Remote::Url(url))),
            Source::Upload(reader) => (channel, Some(Remote::Upload(reader))),
            Source::File(local) => {
                progress.send_modify(|p| p.total = Some(local.length));
                (Inner::File(local.file), None)
            }
        };
        let tap = Tap::new(inner, self.limits.source, Arc::clone(&progress), cancelled);
        let job = convert::Job {
            root: self.store.root().to_owned(),
            sha256,
            max_disk: self.limits.virtual_size.min(Limits::MAX_VIRTUAL_SIZE),
            progress: Arc::clone(&progress),
        };
        let worker = tokio::task::spawn_blocking(move || {
            // Held by the thread, which may outlive this future, so that nobody else starts before it is done.
            let _gate = gate;
            job.run(tap)
        });
        if let Some(remote) = remote {
            self.feed(remote, sink, &progress).await;
        }
        let done = worker.await;
        done.map_err(|_| Error::Lost)??;
        progress.send_modify(|p| p.phase = Phase::Done);
        Ok(self.store.image(sha256).await?)
    }

    /// The image, if it is in the store and nobody is importing or removing it.
    pub(crate) async fn find(&self, sha256: Sha256) -> Result<Option<Image>, store::Error> {
        match self.gate(sha256).try_lock_owned() {
            Ok(_gate) => self.store.find(sha256).await,
            Err(_) => Ok(None),
        }
    }

    /// Waits until nobody imports `sha256`; nobody does while the guard lives.
    pub(crate) async fn enter(&self, sha256: Sha256) -> OwnedMutexGuard<()> {
        self.gate(sha256).lock_owned().await
    }

    fn gate(&self, sha256: Sha256) -> Arc<tokio::sync::Mutex<()>> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.retain(|_, gate| gate.strong_count() > 0);
        let gate = gates.get(&sha256).and_then(Weak::upgrade).unwrap_or_default();
        gates.insert(sha256, Arc::downgrade(&gate));
        gate
    }

    /// Sends the bytes of `source` to `sink`, and says how it ended.
    /// Ends early if the thread that reads has ended: its reason is the one that counts.
    async fn feed(&self, source: Remote, sink: mpsc::Sender<Chunk>, progress: &progress::Sender) {
        let feed = async {
            let last = match source {
                Remote::Upload(reader) => receive(reader, &sink).await,
                Remote::Url(url) => {
                    let fetched = self.fetcher.fetch(&url, self.limits.source, &sink, progress).await;
                    fetched.map_or_else(Chunk::Fetch, |()| Chunk::End)
                }
            };
            let _ = sink.send(last).await;
        };
        tokio::select! {
            () = feed => {}
            () = sink.closed() => {}
        }
    }
}

/// A source that is not a file.
enum Remote {
    Url(Url),
    Upload(Box<dyn AsyncRead + Send + Unpin>),
}

/// Passes on what `reader` gives, and says how it ended.
async fn receive(mut reader: Box<dyn AsyncRead + Send + Unpin>, sink: &mpsc::Sender<Chunk>) -> Chunk {
    loop {
        let mut bytes = bytes::BytesMut::with_capacity(UPLOAD_CHUNK);
        match reader.read_buf(&mut bytes).await {
            Ok(0) => return Chunk::End,
            Ok(_) if sink.send(Chunk::Data(bytes.freeze())).await.is_ok() => {}
            // Nobody reads any more.
            Ok(_) => return Chunk::End,
            Err(error) => return Chunk::Upload(error),
        }
    }
}
