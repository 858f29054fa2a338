//! Sources of images that no URL serves. A source has its name, its SHA-256, only once every byte of it is there and
//! right; until then it is a nameless part that a failed upload takes with it.

use std::{io, path::PathBuf};

use async_trait::async_trait;
use ring::digest::{Context, SHA256};
use tokio::{fs::File, io::AsyncWriteExt};
use underlay_core::image::Sha256;

/// Why an upload failed.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// It is not what was promised.
    #[error("what was sent hashes to {found}, {promised} was promised")]
    Mismatch {
        /// What was promised.
        promised: Sha256,
        /// What came.
        found: Sha256,
    },
    /// More than is accepted.
    #[error("is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// It cannot be written.
    #[error("writing an upload")]
    Write(#[source] io::Error),
}

/// Keeps uploaded sources.
#[async_trait]
pub trait Uploads: Send + Sync + 'static {
    /// Begins to receive the source of that digest.
    async fn begin(&self, sha256: Sha256) -> Result<Box<dyn Receiving>, UploadError>;
}

/// A source on its way in; dropped without [`Receiving::finish`] it leaves nothing.
#[async_trait]
pub trait Receiving: Send {
    /// The next bytes.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError>;

    /// All is sent: checks it and gives it its name. Returns its size in bytes.
    async fn finish(self: Box<Self>) -> Result<u64, UploadError>;
}

/// Uploaded sources as files of a directory, each named by its SHA-256 in hex.
#[derive(Clone, Debug)]
pub struct UploadDirectory {
    directory: PathBuf,
    limit: u64,
}

impl UploadDirectory {
    /// Keeps sources of at most `limit` bytes each in `directory`, which is made when needed.
    pub fn new(directory: PathBuf, limit: u64) -> Self {
        Self { directory, limit }
    }

    /// Where the source of that digest is, or will be.
    pub fn path(&self, sha256: Sha256) -> PathBuf {
        self.directory.join(sha256.to_string())
    }
}

#[async_trait]
impl Uploads for UploadDirectory {
    async fn begin(&self, sha256: Sha256) -> Result<Box<dyn Receiving>, UploadError> {
        tokio::fs::create_dir_all(&self.directory).await.map_err(UploadError::Write)?;
        let part = tempfile::Builder::new()
            .prefix(".part-")
            .tempfile_in(&self.directory)
            .map_err(UploadError::Write)?;
        let file = File::from_std(part.reopen().map_err(UploadError::Write)?);
        Ok(Box::new(Part {
            part,
            file,
            hash: Context::new(&SHA256),
            size: 0,
            limit: self.limit,
            promised: sha256,
            target: self.path(sha256),
        }))
    }
}

struct Part {
    part: tempfile::NamedTempFile,
    file: File,
    hash: Context,
    size: u64,
    limit: u64,
    promised: Sha256,
    target: PathBuf,
}

#[async_trait]
impl Receiving for Part {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        self.size = self.size.saturating_add(bytes.len() as u64);
        if self.size > self.limit {
            return Err(UploadError::TooLarge { limit: self.limit });
        }
        self.hash.update(bytes);
        self.file.write_all(bytes).await.map_err(UploadError::Write)
    }

    async fn finish(mut self: Box<Self>) -> Result<u64, UploadError> {
        self.file.sync_all().await.map_err(UploadError::Write)?;
        let digest = self.hash.finish();
        let found = digest.as_ref().try_into().map(Sha256::from_bytes).expect("SHA-256 has 32 bytes");
        if found != self.promised {
            return Err(UploadError::Mismatch { promised: self.promised, found });
        }
        self.part.persist(&self.target).map_err(|error| UploadError::Write(error.error))?;
        Ok(self.size)
    }
}
