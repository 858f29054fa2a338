//! Files that are open, each with the tag of its content, so that a request costs one stat and no reading.
//!
//! A tag is the BLAKE3 of the file, worked out when it is first asked for; of an image's data it is that of its
//! manifest, which holds the digests of all its bytes. A file that was replaced is opened anew: it counts as the same
//! while device, inode, size and time of change are. Bounded: [`FILES`] files, of which small ones are in memory.

use std::{
    collections::HashMap,
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;

/// How many files are open at a time.
const FILES: usize = 256;
/// What is answered out of memory.
const SMALL: u64 = 64 << 10;
const BLOCK: usize = 1 << 20;

/// A file to serve: what and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asset {
    pub(super) path: PathBuf,
    /// Whose content stands for this one's.
    pub(super) tagged_by: Option<PathBuf>,
    pub(super) content_type: &'static str,
}

/// An open file as it was found.
#[derive(Debug)]
pub(super) struct Shelved {
    state: State,
    tag_state: State,
    pub(super) file: Arc<File>,
    pub(super) size: u64,
    /// With its quotes.
    pub(super) etag: String,
    /// All of it, where it is small.
    pub(super) content: Option<Bytes>,
}

/// What tells one state of a file from another: device, inode, size, time of change.
type State = (u64, u64, u64, i64, i64);

/// The open files.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    files: Mutex<HashMap<PathBuf, Arc<Shelved>>>,
    /// One file is hashed at a time, and nobody hashes what another one just did.
    turn: tokio::sync::Mutex<()>,
}

impl Shelf {
    /// The file as it is now.
    ///
    /// # Errors
    /// It is not there, is no file, or cannot be read.
    pub(super) async fn take(&self, asset: &Asset) -> io::Result<Arc<Shelved>> {
        // A stat of what is being served comes out of memory; handing it to another thread costs ten times as much.
        let states = states(asset)?;
        if let Some(known) = self.known(asset, states) {
            return Ok(known);
        }
        let _turn = self.turn.lock().await;
        if let Some(known) = self.known(asset, states) {
            return Ok(known);
        }
        let open = asset.clone();
        let opened = tokio::task::spawn_blocking(move || Shelved::open(&open)).await;
        let shelved = Arc::new(opened.map_err(io::Error::other)??);
        let mut files = self.lock();
        if files.len() >= FILES {
            files.clear();
        }
        files.insert(asset.path.clone(), Arc::clone(&shelved));
        Ok(shelved)
    }

    fn known(&self, asset: &Asset, states: (State, State)) -> Option<Arc<Shelved>> {
        let found = self.lock().get(&asset.path).cloned();
        found.filter(|found| (found.state, found.tag_state) == states)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, Arc<Shelved>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelved {
    fn open(asset: &Asset) -> io::Result<Self> {
        let file = File::open(&asset.path)?;
        let metadata = regular(file.metadata()?)?;
        let (digest, tag_state) = match &asset.tagged_by {
            None => (digest(&file)?, state(&metadata)),
            Some(path) => {
                let tagging = File::open(path)?;
                (digest(&tagging)?, state(&tagging.metadata()?))
            }
        };
        let content = (metadata.len() <= SMALL).then(|| whole(&file, metadata.len())).transpose()?;
        Ok(Self {
            state: state(&metadata),
            tag_state,
            size: metadata.len(),
            etag: format!("\"{}\"", digest.to_hex()),
            file: Arc::new(file),
            content,
        })
    }
}

fn states(asset: &Asset) -> io::Result<(State, State)> {
    let own = state(&regular(asset.path.metadata()?)?);
    let tagging = asset.tagged_by.as_deref().map(Path::metadata).transpose()?;
    Ok((own, tagging.map_or(own, |tagging| state(&tagging))))
}

fn state(of: &Metadata) -> State {
    (of.dev(), of.ino(), of.len(), of.ctime(), of.ctime_nsec())
}

fn regular(metadata: Metadata) -> io::Result<Metadata> {
    match metadata.is_file() {
        true => Ok(metadata),
        false => Err(io::ErrorKind::NotFound.into()),
    }
}

fn digest(mut file: &File) -> io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    let mut block = vec![0; BLOCK];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hasher.finalize()),
            read => hasher.update(block.get(..read).unwrap_or_default()),
        };
    }
}

fn whole(file: &File, size: u64) -> io::Result<Bytes> {
    let mut content = vec![0; usize::try_from(size).map_err(io::Error::other)?];
    file.read_exact_at(&mut content, 0)?;
    Ok(content.into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn asset(path: &Path) -> Asset {
        Asset { path: path.into(), tagged_by: None, content_type: "text/plain" }
    }

    #[tokio::test]
    async fn a_tag_is_the_digest_of_the_content_and_follows_it() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let shelf = Shelf::default();
        fs::write(&one, "same").unwrap();
        fs::write(&two, "same").unwrap();
        let first = shelf.take(&asset(&one)).await.unwrap();
        assert_eq!(first.etag, format!("\"{}\"", blake3::hash(b"same").to_hex()));
        assert_eq!(shelf.take(&asset(&two)).await.unwrap().etag, first.etag);
        assert!(Arc::ptr_eq(&first, &shelf.take(&asset(&one)).await.unwrap()), "opened once");
        fs::write(&two, "else").unwrap();
        fs::rename(&two, &one).unwrap();
        let second = shelf.take(&asset(&one)).await.unwrap();
        assert_eq!(second.etag, format!("\"{}\"", blake3::hash(b"else").to_hex()));
        assert_eq!(first.content.as_deref(), Some(&b"same"[..]), "who has it open keeps what it was");
        fs::remove_file(&one).unwrap();
        assert_eq!(shelf.take(&asset(&one)).await.unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(shelf.take(&asset(folder.path())).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn no_more_files_are_open_than_there_is_room_for() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::default();
        for n in 0..2 * FILES + 10 {
            let path = folder.path().join(n.to_string());
            fs::write(&path, "x").unwrap();
            shelf.take(&asset(&path)).await.unwrap();
        }
        assert!(shelf.lock().len() <= FILES);
    }
}
