//! What a watcher of an import sees: a snapshot in a watch channel, so that a slow watcher never slows the import.

use tokio::sync::watch;

use crate::detect::{Compression, Format};

/// What an import is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Another import of the same image is under way; this one waits for it.
    #[default]
    Waiting,
    /// Reading the source, and encoding it on the way where its format allows.
    Reading,
    /// Encoding a source that had to be read whole first.
    Encoding,
    /// Making it durable and visible.
    Publishing,
    /// It is in the store.
    Done,
}

/// How far an import is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Bytes of the source read so far.
    pub read: u64,
    /// Bytes the source has, where it says so.
    pub total: Option<u64>,
    /// Bytes of the disk image encoded so far, holes included.
    pub encoded: u64,
    /// What the source turned out to be, and how that was packed. An image found in the store was not looked at again.
    pub format: Option<(Format, Option<Compression>)>,
}

/// The import's end of the channel.
pub type Sender = watch::Sender<Progress>;

/// A sender for [`crate::Importer::import`] and a receiver to watch.
pub fn channel() -> (Sender, watch::Receiver<Progress>) {
    watch::channel(Progress::default())
}
