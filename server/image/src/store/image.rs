//! One published image, as those who serve it need it: its manifest, and the path, length and tag of its data.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use underlay_core::image::{Manifest, Sha256};

use super::{DATA, Error, MANIFEST, off_thread};
use crate::segment;

/// The most bytes [`Image::read_range`] gives at a time; more is for whoever opens the file.
const MAX_RANGE: u64 = 16 << 20;
/// A manifest of the most segments there may be is shorter.
const MAX_MANIFEST: u64 = 512 << 20;

/// An image in the store; cheap to clone. Its length has been checked, its bytes have not: readers verify segments.
#[derive(Clone, Debug)]
pub struct Image {
    id: Sha256,
    manifest: Arc<Manifest>,
    data_path: Arc<Path>,
}

impl Image {
    pub(super) fn load(id: Sha256, directory: &Path) -> Result<Self, Error> {
        let path = directory.join(MANIFEST);
        let json = match read_bounded(&path) {
            Ok(json) => json,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Error::NotFound(id)),
            Err(source) => return Err(Error::read(&path, source)),
        };
        let manifest = Manifest::from_json(&json).map_err(|source| Error::Manifest { id, source })?;
        if manifest.source_sha256() != id {
            return Err(Error::Foreign { id, found: manifest.source_sha256() });
        }
        let data_path: PathBuf = directory.join(DATA);
        let found = fs::metadata(&data_path).map_err(|source| Error::read(&data_path, source))?.len();
        let expected = manifest.stored_size();
        if found != expected {
            return Err(Error::DataLength { id, expected, found });
        }
        Ok(Self { id, manifest: Arc::new(manifest), data_path: data_path.into() })
    }

    /// The SHA-256 of the source; the image's name in the store.
    pub fn id(&self) -> Sha256 {
        self.id
    }

    /// What the disk must read like.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The data blob: the stored bytes of all segments, one behind the other. It is never written again.
    pub fn data_path(&self) -> &Path {
        &self.data_path
    }

    /// The length of the data blob in bytes.
    pub fn data_length(&self) -> u64 {
        self.manifest.stored_size()
    }

    /// A strong HTTP entity tag for the data blob, quotes included.
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.manifest.digest())
    }

    /// `length` bytes (at most 16 MiB) of the data blob from `offset` on.
    pub async fn read_range(&self, offset: u64, length: u64) -> Result<Bytes, Error> {
        let stored = self.data_length();
        let is_inside = offset.checked_add(length).is_some_and(|end| end <= stored);
        if !is_inside || length > MAX_RANGE {
            return Err(Error::Range { offset, length, stored });
        }
        let path = Arc::clone(&self.data_path);
        off_thread(move || {
            let mut bytes = vec![0; length as usize];
            File::open(&path)
                .and_then(|file| file.read_exact_at(&mut bytes, offset))
                .map_err(|source| Error::read(&path, source))?;
            Ok(bytes.into())
        })
        .await
    }

    pub(super) fn is_there(&self) -> bool {
        self.data_path.is_file()
    }

    pub(super) fn verify(&self) -> Result<(), Error> {
        let unreadable = |source| Error::read(&self.data_path, source);
        let file = File::open(&self.data_path).map_err(unreadable)?;
        let (mut stored, mut decoded) = (Vec::new(), Vec::new());
        for segment in self.manifest.segments().iter().filter(|segment| segment.stored_length > 0) {
            stored.resize(segment.stored_length as usize, 0);
            file.read_exact_at(&mut stored, segment.stored_offset).map_err(unreadable)?;
            segment::decode(segment, &stored, &mut decoded)
                .map_err(|source| Error::Data { id: self.id, source })?;
        }
        Ok(())
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > MAX_MANIFEST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    fs::read(path)
}
