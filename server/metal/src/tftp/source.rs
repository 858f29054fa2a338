//! Content read a piece at a time, so that a transfer's memory does not grow with its file. While the client takes one
//! piece, the next one is read.

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::{files::Content, kept::Kept};

/// Read from a file at once, about; a window may need more.
const CHUNK: usize = 64 * 1024;

/// Opened content.
#[derive(Debug)]
pub enum Source {
    /// Wholly in memory.
    Memory(Bytes),
    /// A file and the piece of it that was read last.
    File {
        /// The open file.
        file: Arc<File>,
        /// Its size when it was opened.
        size: u64,
        /// The piece.
        chunk: Bytes,
        /// Where the piece begins.
        at: u64,
        /// The piece behind it, which is being read.
        next: Option<JoinHandle<io::Result<Bytes>>>,
    },
}

impl Source {
    /// Opens content; a small file is shared with all who read it.
    pub async fn open(content: Content, kept: &Arc<Kept>) -> io::Result<Self> {
        match content {
            Content::Bytes(bytes) => Ok(Self::Memory(bytes)),
            Content::File(path) => {
                let kept = Arc::clone(kept);
                blocking(move || {
                    let mut file = File::open(&path)?;
                    if let Some(content) = kept.content(&path, &mut file)? {
                        return Ok(Self::Memory(content));
                    }
                    let size = file.metadata()?.len();
                    Ok(Self::File { file: Arc::new(file), size, chunk: Bytes::new(), at: 0, next: None })
                })
                .await
            }
        }
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len().try_into().unwrap_or(u64::MAX),
            Self::File { size, .. } => *size,
        }
    }

    /// The bytes from an offset on, as many as asked for or as there are.
    pub async fn read(&mut self, offset: u64, length: usize) -> io::Result<Bytes> {
        let left = usize::try_from(self.size().saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = length.min(left);
        match self {
            Self::Memory(bytes) => Ok(part(bytes, 0, offset, length)),
            Self::File { file, size, chunk, at, next } => {
                let is_there = |chunk: &Bytes, at: u64| {
                    let end = at + u64::try_from(chunk.len()).unwrap_or(0);
                    (at..=end).contains(&offset) && offset + u64::try_from(length).unwrap_or(0) <= end
                };
                if !is_there(chunk, *at) {
                    let behind = *at + u64::try_from(chunk.len()).unwrap_or(0);
                    let begun = next.take().filter(|_| behind == offset);
                    // Whole windows, so that the piece behind it begins where a window does.
                    let piece = length.saturating_mul((CHUNK / length.max(1)).max(1));
                    *chunk = match begun {
                        Some(begun) => begun.await.map_err(io::Error::other)??,
                        None => reading(file, offset, piece, *size).await.map_err(io::Error::other)??,
                    };
                    *at = offset;
                    if !is_there(chunk, offset) {
                        *chunk = reading(file, offset, length, *size).await.map_err(io::Error::other)??;
                    }
                    let behind = offset + u64::try_from(chunk.len()).unwrap_or(0);
                    *next = (behind < *size).then(|| reading(file, behind, piece, *size));
                }
                Ok(part(chunk, *at, offset, length))
            }
        }
    }
}

/// Begins to read a piece, or what there is of it.
fn reading(file: &Arc<File>, offset: u64, piece: usize, size: u64) -> JoinHandle<io::Result<Bytes>> {
    let file = Arc::clone(file);
    let left = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX);
    tokio::task::spawn_blocking(move || read_at(&file, offset, piece.min(left)))
}

fn part(bytes: &Bytes, at: u64, offset: u64, length: usize) -> Bytes {
    let from = usize::try_from(offset.saturating_sub(at)).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(from..from.saturating_add(length).min(bytes.len()))
}

fn read_at(file: &File, offset: u64, size: usize) -> io::Result<Bytes> {
    let mut buffer = vec![0; size];
    file.read_exact_at(&mut buffer, offset)?;
    Ok(buffer.into())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
