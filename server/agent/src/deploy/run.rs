//! One deployment from order to report, in the only order in which nothing can be lost.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;
use tracing::{info, warn};
use underlay_core::{
    ErrorKind,
    agent::{Deploy, Disk as DiskFacts, Inventory, Stage, Touched},
    image::{Blake3, Manifest, manifest},
    seed::Seed,
};

use super::{
    Error, choose,
    error::chain,
    identity, memory,
    progress::Progress,
    seed,
    worker::Decoder,
    write::{Data, GIVE_UP, Stream, write},
};
use crate::{
    disk::Disk,
    pace::Pace,
    source::{self, Source},
    wipe::drive::{Drive, Plain},
};

/// The most bytes a manifest may have: it is held in memory while it is read. As JSON, at 4 MiB a segment, it describes
/// some 600 GiB of data, as canonical bytes four times that.
pub const MAX_MANIFEST: usize = 32 << 20;

/// How long disks may take to appear after their driver, and how often they are looked for.
const LATE_DISKS: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The host a deployment runs on, as far as it must be asked.
pub trait Host: Send + Sync {
    /// What it is made of, read anew.
    fn inventory(&self) -> Inventory;
    /// One of its disks, for writing.
    fn open(&self, disk: &DiskFacts) -> io::Result<Arc<dyn Disk>>;
    /// The same, for wiping.
    fn drive(&self, disk: &DiskFacts) -> io::Result<Box<dyn Drive>> {
        Ok(Box::new(Plain(self.open(disk)?)))
    }
}

/// Does what the order says and reports how it went; the last stage is `Written` or `Failed`.
pub async fn run(order: &Deploy, host: &dyn Host, source: &dyn Source, mut progress: Progress) {
    progress.say(Stage::Checking);
    let mut touched = Touched::No;
    let last = match deploy(order, host, source, &mut progress, &mut touched).await {
        Ok(written) => written,
        Err(error) => Stage::Failed { failure: error.into_failure(touched), touched_disk: touched },
    };
    progress.say(last);
}

async fn deploy(
    order: &Deploy,
    host: &dyn Host,
    source: &dyn Source,
    progress: &mut Progress,
    touched: &mut Touched,
) -> Result<Stage, Error> {
    let facts = find_disk(order, host).await?;
    let name = facts.name.clone();
    let (manifest, head) = read_ahead(order, source).await?;
    seed::plan(&head, facts.size.0, order.seed.len() as u64).map_err(Error::Seed)?;
    let disk = host.open(&facts).map_err(|source| Error::Open { disk: name.clone(), source })?;

    info!(disk = name, bytes = manifest.virtual_size(), "writing the image");
    let began = Instant::now();
    let total = manifest.virtual_size();
    progress.count(&name, 0, total);
    *touched = Touched::Yes;
    let data = Data { source, path: &order.data_path };
    let mut written = write(&manifest, data, &disk, &mut |done| progress.count(&name, done, total)).await?;
    progress.say(Stage::Finishing);
    written += finish(&disk, total, &order.seed).await?;
    let elapsed = began.elapsed();
    info!(disk = name, written, seconds = elapsed.as_secs_f32(), "the image and its seed are on the disk");
    Ok(Stage::Written { disk: name, written, elapsed_ms: milliseconds(elapsed), peak_memory: memory::peak() })
}

fn milliseconds(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

/// Checks the host and finds its root disk. Controllers may still be looking for their disks, so while there is none
/// that fits, a few more looks are taken.
async fn find_disk(order: &Deploy, host: &dyn Host) -> Result<DiskFacts, Error> {
    let began = tokio::time::Instant::now();
    loop {
        let inventory = host.inventory();
        identity::check(&order.identity, &inventory).map_err(Error::Identity)?;
        match choose::choose(&inventory.disks, &order.root, order.virtual_size.0) {
            Ok(disk) => return Ok(disk.clone()),
            Err(choose::Error::None { .. }) if began.elapsed() < LATE_DISKS => sleep(LOOK_AGAIN).await,
            Err(error) => return Err(Error::Choose(error)),
        }
    }
}

/// What must be known of the image before anything is written: its manifest and its first bytes. Tried again while only
/// the way to the server is at fault.
async fn read_ahead(order: &Deploy, source: &dyn Source) -> Result<(Arc<Manifest>, Vec<u8>), Error> {
    let began = tokio::time::Instant::now();
    let mut pace = Pace::default();
    loop {
        let result = match fetch_manifest(order, source).await {
            Ok(manifest) => {
                let head = read_head(&manifest, Data { source, path: &order.data_path }).await;
                head.map(|head| (Arc::new(manifest), head))
            }
            Err(error) => Err(error),
        };
        match result {
            Err(error) if error.kind() == ErrorKind::Transient && began.elapsed() < GIVE_UP => {
                warn!(error = chain(&error), "not fetched, trying again");
                pace.wait().await;
            }
            done => return done,
        }
    }
}

/// Syncs the image before the partition table is changed, and everything after.
async fn finish(disk: &Arc<dyn Disk>, image_end: u64, seed: &Seed) -> Result<u64, Error> {
    let (disk, seed) = (Arc::clone(disk), seed.bytes());
    let work = move || {
        disk.sync().map_err(Error::Sync)?;
        let written = seed::place(&*disk, image_end, &seed).map_err(|error| match error {
            seed::Error::Disk(source) => Error::Write { offset: image_end, source },
            other => Error::Seed(other),
        })?;
        disk.sync().map_err(Error::Sync)?;
        Ok(written)
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Start(error.into()))?
}

/// Fetches the manifest and believes it if it hashes to what the order says.
async fn fetch_manifest(order: &Deploy, source: &dyn Source) -> Result<Manifest, Error> {
    let digest: Blake3 = order.manifest_digest.parse().map_err(Error::Digest)?;
    let bytes = read_all(source, &order.manifest_path).await.map_err(Error::FetchManifest)?;
    let manifest = read_manifest(&bytes, &digest).map_err(Error::Manifest)?;
    match manifest.virtual_size() {
        found if found == order.virtual_size.0 => Ok(manifest),
        found => Err(Error::Size { expected: order.virtual_size.0, found }),
    }
}

/// Reads a manifest in either of its spellings, and refuses it unless it hashes to `digest`.
pub fn read_manifest(bytes: &[u8], digest: &Blake3) -> Result<Manifest, manifest::Error> {
    if !bytes.starts_with(b"{") {
        return Manifest::decode(bytes, digest);
    }
    let manifest = Manifest::from_json(bytes)?;
    match manifest.digest() {
        found if found == *digest => Ok(manifest),
        found => Err(manifest::Error::Digest { expected: *digest, found }),
    }
}

async fn read_all(source: &dyn Source, path: &str) -> Result<Vec<u8>, source::Error> {
    let mut body = source.open(path, 0..MAX_MANIFEST as u64 + 1).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = body.chunk().await? {
        if bytes.len() + chunk.len() > MAX_MANIFEST {
            return Err(source::Error::TooLong { path: path.to_owned(), most: MAX_MANIFEST });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The first bytes the disk will have, verified and decoded; enough for a partition table.
async fn read_head(manifest: &Manifest, data: Data<'_>) -> Result<Vec<u8>, Error> {
    let mut stream = Stream::new(data, manifest.stored_size());
    let mut decoder = Decoder::default();
    let mut head = Vec::with_capacity(seed::HEAD);
    for segment in manifest.segments() {
        let room = seed::HEAD.saturating_sub(head.len());
        if room == 0 {
            break;
        }
        if segment.stored_length == 0 {
            let zeros = usize::try_from(segment.length).unwrap_or(room).min(room);
            head.resize(head.len() + zeros, 0);
            continue;
        }
        let mut stored = vec![0; usize::try_from(segment.stored_length).unwrap_or(0)];
        stream.fill(segment.stored_offset, &mut stored).await.map_err(Error::FetchData)?;
        let plain = decoder.decode(segment, &stored)?;
        head.extend_from_slice(plain.get(..plain.len().min(room)).unwrap_or_default());
    }
    Ok(head)
}

#[cfg(test)]
mod tests;
