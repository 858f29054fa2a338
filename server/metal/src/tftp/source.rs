//! Content read a piece at a time, so that a transfer's memory does not grow with its file.

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

use bytes::Bytes;

use super::{files::Content, kept::Kept};

/// Read from a file at once, at least; a window may need more.
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
                    Ok(Self::File { file: Arc::new(file), size, chunk: Bytes::new(), at: 0 })
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
            Self::File { file, chunk, at, .. } => {
                let have = *at..=*at + u64::try_from(chunk.len()).unwrap_or(0);
                let end = offset + u64::try_from(length).unwrap_or(0);
                if !have.contains(&offset) || !have.contains(&end) {
                    let file = Arc::clone(file);
                    let size = length.max(CHUNK).min(left);
                    *chunk = blocking(move || read_at(&file, offset, size)).await?;
                    *at = offset;
                }
                Ok(part(chunk, *at, offset, length))
            }
        }
    }
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
