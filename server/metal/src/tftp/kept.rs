//! Small files kept in memory, so that a rack that boots at once reads its loader once.
//!
//! Bounded: nothing larger than [`LARGEST`] is kept, no more than [`FILES`] of them, and what is kept is dropped when
//! the file has changed. A file counts as unchanged while its inode, size and time of change are.

use std::{
    collections::HashMap,
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;

/// Loaders are about a megabyte.
pub const LARGEST: u64 = 4 << 20;
const FILES: usize = 16;

/// What tells one state of a file from another.
type State = (u64, u64, u64, i64, i64);

/// The files that were read last.
#[derive(Debug, Default)]
pub struct Kept(Mutex<HashMap<PathBuf, (State, Bytes)>>);

impl Kept {
    /// The content of an open file, where it is small enough; it is read if it is not kept as it is now. Blocks.
    pub fn content(&self, path: &Path, file: &mut File) -> io::Result<Option<Bytes>> {
        let metadata = file.metadata()?;
        if metadata.len() > LARGEST {
            return Ok(None);
        }
        let state = state(&metadata);
        if let Some((_, content)) = self.lock().get(path).filter(|(kept, _)| *kept == state) {
            return Ok(Some(content.clone()));
        }
        let mut content = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        file.take(LARGEST).read_to_end(&mut content)?;
        let content = Bytes::from(content);
        let mut kept = self.lock();
        if kept.len() >= FILES {
            kept.clear();
        }
        kept.insert(path.to_owned(), (state, content.clone()));
        Ok(Some(content))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, (State, Bytes)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn state(of: &Metadata) -> State {
    (of.dev(), of.ino(), of.len(), of.ctime(), of.ctime_nsec())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(kept: &Kept, path: &Path) -> Option<Bytes> {
        kept.content(path, &mut File::open(path).unwrap()).unwrap()
    }

    #[test]
    fn a_file_is_read_once_and_again_when_it_was_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (path, new) = (folder.path().join("loader"), folder.path().join("new"));
        let kept = Kept::default();
        fs::write(&path, "one").unwrap();
        let first = read(&kept, &path).unwrap();
        assert_eq!(first, "one");
        assert_eq!(read(&kept, &path).unwrap().as_ptr(), first.as_ptr(), "the same memory");
        fs::write(&new, "two").unwrap();
        fs::rename(&new, &path).unwrap();
        assert_eq!(read(&kept, &path).unwrap(), "two");
    }

    #[test]
    fn neither_large_files_nor_many_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::default();
        let large = folder.path().join("large");
        File::create(&large).unwrap().set_len(LARGEST + 1).unwrap();
        assert_eq!(read(&kept, &large), None);
        for n in 0..3 * FILES {
            let path = folder.path().join(n.to_string());
            fs::write(&path, [7; 100]).unwrap();
            assert_eq!(read(&kept, &path).unwrap().len(), 100);
        }
        assert!(kept.lock().len() <= FILES);
    }
}
