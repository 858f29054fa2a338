//! The content-addressed store of images: a directory in which an image is either whole or not there.
//!
//! - `image`: one published image, for whoever serves it
//! - `staging`: an image in the making, which vanishes unless it is published
//! - `error`: what can go wrong, with a full disk told apart
//!
//! Publishing is a rename of a synced directory; deleting is a rename too. A process killed at any point leaves at most
//! a directory under `tmp/` that nobody holds the lock of, and the next [`Store::open`] removes it.

mod error;
mod image;
mod staging;

pub use error::Error;
pub use image::Image;
pub(crate) use staging::Staging;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use underlay_core::image::Sha256;

const IMAGES: &str = "images";
const TMP: &str = "tmp";
const LOCK: &str = "lock";
const MANIFEST: &str = "manifest.json";
const DATA: &str = "data";
/// How many manifests are kept in memory; they have a few hundred bytes per megabyte of image.
const MAX_CACHED: usize = 32;

/// A store; cheap to clone. Every method blocks on a thread of its own, none on the caller's.
#[derive(Clone, Debug)]
pub struct Store {
    root: Arc<Path>,
    cache: Arc<Mutex<BTreeMap<Sha256, Image>>>,
}

impl Store {
    /// Opens the store in `root`, which is made if need be, and removes what dead imports left behind.
    pub async fn open(root: impl Into<PathBuf>) -> Result<Self, Error> {
        let root = root.into();
        off_thread(move || {
            for directory in [IMAGES, TMP] {
                let path = root.join(directory);
                fs::create_dir_all(&path).map_err(|source| Error::write(&path, source))?;
            }
            staging::clean(&root)?;
            Ok(Self { root: root.into(), cache: Arc::default() })
        })
        .await
    }

    /// The image made from the source that hashes to `id`. [`Error::NotFound`] if there is none.
    pub async fn image(&self, id: Sha256) -> Result<Image, Error> {
        let store = self.clone();
        off_thread(move || store.load(id)).await
    }

    /// The same; `None` if there is none.
    pub async fn find(&self, id: Sha256) -> Result<Option<Image>, Error> {
        match self.image(id).await {
            Ok(image) => Ok(Some(image)),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The ids of all images, in order.
    pub async fn list(&self) -> Result<Vec<Sha256>, Error> {
        let path = self.root.join(IMAGES);
        off_thread(move || {
            let entries = fs::read_dir(&path).map_err(|source| Error::read(&path, source))?;
            let mut ids = Vec::new();
            for entry in entries {
                let name = entry.map_err(|source| Error::read(&path, source))?.file_name();
                // Strangers in the directory are nobody's image.
                ids.extend(name.to_str().and_then(|name| name.parse::<Sha256>().ok()));
            }
            ids.sort_unstable();
            Ok(ids)
        })
        .await
    }

    /// Reads the whole image, hashes every segment against the manifest and decodes it.
    pub async fn verify(&self, id: Sha256) -> Result<(), Error> {
        let image = self.image(id).await?;
        off_thread(move || image.verify()).await
    }

    /// Removes the image: at once for whoever asks, on the disk when this returns. Readers that have it open go on.
    pub async fn delete(&self, id: Sha256) -> Result<(), Error> {
        let store = self.clone();
        off_thread(move || {
            let path = store.path(id);
            let away = staging::unique(&store.root);
            store.lock_cache().remove(&id);
            match fs::rename(&path, &away) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Error::NotFound(id)),
                Err(source) => return Err(Error::write(&path, source)),
            }
            sync_directory(&store.root.join(IMAGES))?;
            fs::remove_dir_all(&away).map_err(|source| Error::write(&away, source))
        })
        .await
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// [`Store::image`] for a thread that may block.
    pub(crate) fn load(&self, id: Sha256) -> Result<Image, Error> {
        let cached = self.lock_cache().get(&id).cloned();
        if let Some(image) = cached.filter(Image::is_there) {
            return Ok(image);
        }
        let image = Image::load(id, &self.path(id))?;
        let mut cache = self.lock_cache();
        if cache.len() >= MAX_CACHED {
            cache.clear();
        }
        cache.insert(id, image.clone());
        Ok(image)
    }

    fn path(&self, id: Sha256) -> PathBuf {
        self.root.join(IMAGES).join(id.to_string())
    }

    fn lock_cache(&self) -> std::sync::MutexGuard<'_, BTreeMap<Sha256, Image>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `work` where it may block.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Lost)?
}

/// Makes the names in `path` durable.
fn sync_directory(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(|source| Error::write(path, source))
}
