//! Moves image objects: pending, importing, ready; failed until a new generation; leaving.
//!
//! An import runs beside the engine, one task per image object, and is looked at by each step: a killed server starts it
//! again from the source, and finds it done if it was published. Nothing is visible before it is whole.
//!
//! Objects may share their bytes. They are removed with the last object that needs them, and under the gate that imports
//! of them pass: whoever comes before is seen, whoever comes after imports anew.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{sync::watch, task::JoinHandle};
use underlay_core::{
    Amount, Bytes, Controller, ErrorKind, Failure, Object, ObjectId, Snapshot, Step, Unit, View,
    image::{self as noun, Image as Noun, Sha256, State, Status},
};

use crate::{
    Image, Importer, Phase, Progress, Source, Store,
    detect::{Compression, Format},
    import,
    local::LocalRoot,
    progress, store,
};

/// How soon a running import is looked at again: often enough for a progress bar.
const LOOK: Duration = Duration::from_secs(1);

/// Tells whether another living image object is made of the same source.
#[async_trait]
pub trait Keepers: Send + Sync + 'static {
    /// Does an image object other than `id` need the bytes of `sha256`?
    async fn is_needed_beside(&self, id: ObjectId, sha256: Sha256) -> Result<bool, Failure>;
}

/// Moves images towards their specs.
pub struct Images<K> {
    store: Store,
    importer: Importer,
    local: Option<LocalRoot>,
    uploads: Option<LocalRoot>,
    keepers: K,
    running: Mutex<HashMap<ObjectId, Running>>,
}

/// What has become of an import.
enum Look {
    None,
    Running(Progress),
    Over(Running),
}

/// An import under way.
struct Running {
    generation: i64,
    progress: watch::Receiver<Progress>,
    task: JoinHandle<Result<Image, import::Error>>,
}

impl<K: Keepers> Images<K> {
    /// A controller that imports into `store`; files are read beneath `local`, uploads beneath `uploads`.
    pub fn new(
        store: Store,
        importer: Importer,
        local: Option<LocalRoot>,
        uploads: Option<LocalRoot>,
        keepers: K,
    ) -> Self {
        Self { store, importer, local, uploads, keepers, running: Mutex::default() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ObjectId, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn importing(&self, object: &Object<Noun>) -> Result<Step<Noun>, Failure> {
        match self.look(object) {
            Look::None => self.begin(object).await,
            Look::Running(seen) => {
                Ok(Step::wait(object.status.clone(), waiting_for(object, seen), LOOK).at(amount(seen)))
            }
            Look::Over(import) => {
                let seen = *import.progress.borrow();
                let result = import.task.await.unwrap_or(Err(import::Error::Lost));
                Ok(ended(object, seen, result))
            }
        }
    }

    /// What has become of the import of this object; one for an earlier generation is called off.
    fn look(&self, object: &Object<Noun>) -> Look {
        let id = object.meta.id;
        let mut running = self.lock();
        match running.remove(&id) {
            None => Look::None,
            Some(import) if import.generation != object.meta.generation => {
                import.task.abort();
                Look::None
            }
            Some(import) if import.task.is_finished() => Look::Over(import),
            Some(import) => {
                let seen = *import.progress.borrow();
                running.insert(id, import);
                Look::Running(seen)
            }
        }
    }

    async fn begin(&self, object: &Object<Noun>) -> Result<Step<Noun>, Failure> {
        let sha256 = object.spec.sha256;
        let found = self.importer.find(sha256).await.map_err(|error| unreadable(object, &error))?;
        if let Some(image) = found {
            return Ok(Step::advance(describe(object, Progress::default(), &image), State::Ready));
        }
        let source = match self.source(&object.spec.url) {
            Ok(source) => source,
            Err(error) => return Ok(no_source(object, &error)),
        };
        let (sender, progress) = progress::channel();
        let importer = self.importer.clone();
        let task = tokio::spawn(async move { importer.import(source, sha256, sender).await });
        self.lock().insert(object.meta.id, Running { generation: object.meta.generation, progress, task });
        Ok(Step::wait(object.status.clone(), waiting_for(object, Progress::default()), LOOK))
    }

    fn source(&self, url: &str) -> Result<Source, crate::source::Error> {
        match url.strip_prefix("upload://sha256/") {
            Some(digest) => match &self.uploads {
                Some(uploads) => Ok(Source::File(uploads.file(Path::new(digest))?)),
                None => Err(crate::source::Error::NoLocalFiles),
            },
            None => Source::named(url, self.local.as_ref()),
        }
    }

    /// Still there? A spec that moved on may name another source, and a store may have lost what it held.
    async fn ready(&self, object: &Object<Noun>) -> Result<Step<Noun>, Failure> {
        match self.store.find(object.spec.sha256).await.map_err(|error| unreadable(object, &error))? {
            Some(image) => Ok(Step::done(describe(object, Progress::default(), &image), None)),
            None => Ok(Step::advance(Status::default(), State::Importing)),
        }
    }

    async fn leaving(&self, object: &Object<Noun>) -> Result<Step<Noun>, Failure> {
        if let Some(import) = self.lock().remove(&object.meta.id) {
            import.task.abort();
        }
        let sha256 = object.spec.sha256;
        if self.keepers.is_needed_beside(object.meta.id, sha256).await? {
            return Ok(Step::gone(object.status.clone()));
        }
        // Nobody else imports it, and our own import ends as soon as it reads on.
        let _gate = self.importer.enter(sha256).await;
        if !self.keepers.is_needed_beside(object.meta.id, sha256).await? {
            match self.store.delete(sha256).await {
                Ok(()) | Err(store::Error::NotFound(_)) => {}
                Err(error) => return Err(unreadable(object, &error)),
            }
        }
        Ok(Step::gone(object.status.clone()))
    }
}

#[async_trait]
impl<K: Keepers> Controller for Images<K> {
    type Noun = Noun;

    async fn step(&self, snapshot: &Snapshot<Noun>, _view: &dyn View) -> Result<Step<Noun>, Failure> {
        let object = &snapshot.object;
        if snapshot.is_deleting() {
            return self.leaving(object).await;
        }
        let moved_on = object.meta.generation > object.meta.observed_generation;
        match object.state {
            State::Pending => Ok(Step::advance(object.status.clone(), State::Importing)),
            State::Importing => self.importing(object).await,
            State::Failed if moved_on => Ok(Step::advance(object.status.clone(), State::Importing)),
            State::Failed => Ok(match &object.progress.failure {
                Some(failure) => Step::failed(object.status.clone(), State::Failed, failure.clone()),
                None => Step::done(object.status.clone(), None),
            }),
            State::Ready => self.ready(object).await,
            State::Leaving => Ok(Step::done(object.status.clone(), None)),
        }
    }
}

fn ended(object: &Object<Noun>, seen: Progress, result: Result<Image, import::Error>) -> Step<Noun> {
    match result {
        Ok(image) => Step::advance(describe(object, seen, &image), State::Ready),
        Err(error) => {
            let failure = error.failure(object.meta.key.name.as_str());
            Step::failed(object.status.clone(), State::Failed, failure)
        }
    }
}

fn waiting_for(object: &Object<Noun>, seen: Progress) -> String {
    match seen.phase {
        Phase::Waiting => "its turn to be read".into(),
        Phase::Reading => format!("{} to be read and checked", object.spec.url),
        Phase::Encoding => "the image to be cut into segments".into(),
        Phase::Publishing | Phase::Done => "the image to be made durable".into(),
    }
}

fn amount(seen: Progress) -> Option<Amount> {
    (seen.read > 0).then(|| Amount {
        done: seen.read,
        total: seen.total.unwrap_or_default(),
        unit: Unit::Bytes,
    })
}

fn describe(object: &Object<Noun>, seen: Progress, image: &Image) -> Status {
    let manifest = image.manifest();
    let format = seen.format.map(|(format, packed)| words(format, packed));
    Status {
        format: format.or(object.status.format.clone()),
        virtual_size: Some(Bytes(manifest.virtual_size())),
        stored_size: Some(Bytes(image.data_length())),
        manifest_digest: Some(manifest.digest().to_string()),
    }
}

/// `raw`, `qcow2`, `raw.zst`.
fn words(format: Format, packed: Option<Compression>) -> String {
    let packing = |compression| match compression {
        Compression::Gzip => "gz",
        Compression::Xz => "xz",
        Compression::Zstd => "zst",
    };
    let format = match format {
        Format::Raw => "raw",
        Format::Qcow2 => "qcow2",
        Format::Compressed(compression) => packing(compression),
    };
    match packed {
        Some(compression) => format!("{format}.{}", packing(compression)),
        None => format.to_owned(),
    }
}

fn no_source(object: &Object<Noun>, error: &crate::source::Error) -> Step<Noun> {
    let failure = Failure::new(
        ErrorKind::Invalid,
        format!("image {}: finding its source", object.meta.key.name),
        underlay_core::because(error),
        "nothing was read",
        "correct source.url, or allow the directory with the server's image.local_root, and apply again",
    );
    Step::failed(object.status.clone(), State::Failed, failure.at("source.url"))
}

fn unreadable(object: &Object<noun::Image>, error: &store::Error) -> Failure {
    Failure::new(
        error.kind(),
        format!("image {}: using the image store", object.meta.key.name),
        underlay_core::because(error),
        "nothing was changed",
        "check the disk under the server's data directory",
    )
}
