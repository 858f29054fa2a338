//! Image objects moved by their controller, over a real store and a server on loopback.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

mod support;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, Bytes},
    http::StatusCode,
    routing::get,
};
use futures::StreamExt;
use jiff::Timestamp;
use support::{Bench, leftovers, padded, reassemble, sample_disk, sha256, zst};
use underlay_core::{
    Controller, Failure, Incarnation, Key, Kind, Meta, Object, ObjectId, Outcome, SecretString, Snapshot,
    Standing, Step, View,
    image::{self, Image as Noun, State},
    observation::{Observation, Source},
    view::{self, Error, RawObject},
};
use underlay_image::{Images, Keepers, Sha256, local::LocalRoot};

/// What living objects need, by their ids.
#[derive(Clone, Default)]
struct Needs(Arc<Mutex<BTreeMap<ObjectId, Sha256>>>);

#[async_trait]
impl Keepers for Needs {
    async fn is_needed_beside(&self, id: ObjectId, sha256: Sha256) -> Result<bool, Failure> {
        Ok(self.0.lock().unwrap().iter().any(|(other, needs)| *other != id && *needs == sha256))
    }
}

/// A controller of images reads no other object.
struct Nothing;

#[async_trait]
impl underlay_core::Brakes for Nothing {
    async fn hold(&self, _: &underlay_core::brake::Scope) -> Result<underlay_core::brake::Hold, Error> {
        Ok(Default::default())
    }
}

#[async_trait]
impl View for Nothing {
    async fn by_id(&self, _: ObjectId) -> Result<Option<RawObject>, Error> {
        panic!("it reads no other object")
    }
    async fn by_name(&self, _: &Key, _: Kind, _: &str) -> Result<Option<RawObject>, Error> {
        panic!("it reads no other object")
    }
    async fn observation(&self, _: ObjectId, _: Source) -> Result<Option<Observation>, Error> {
        panic!("it reads no observation")
    }
    async fn holder(&self, _: ObjectId) -> Result<Option<ObjectId>, Error> {
        panic!("it reads no claim")
    }
    async fn claim(&self, _: ObjectId) -> Result<Option<ObjectId>, view::Error> {
        Ok(None)
    }

    async fn wants(&self, _: ObjectId) -> Result<Vec<RawObject>, view::Error> {
        Ok(Vec::new())
    }

    async fn members(&self, _: ObjectId) -> Result<Vec<(RawObject, Option<ObjectId>)>, view::Error> {
        Ok(Vec::new())
    }

    async fn tenants(&self, _: ObjectId) -> Result<Vec<RawObject>, view::Error> {
        Ok(Vec::new())
    }

    async fn census(&self, _: ObjectId) -> Result<view::Census, view::Error> {
        Ok(view::Census::default())
    }

    async fn accused(&self, _: ObjectId, _: &(String, String)) -> Result<Vec<ObjectId>, view::Error> {
        Ok(Vec::new())
    }

    async fn credential(&self, _: &Key, _: &str) -> Result<Option<(String, SecretString)>, Error> {
        panic!("it reads no credential")
    }
    async fn cancellation(&self, _: ObjectId) -> Result<Option<underlay_core::Cancellation>, Error> {
        panic!("it reads no cancellation")
    }

    async fn secret(&self, _: ObjectId, _: &str) -> Result<Option<SecretString>, Error> {
        panic!("it reads no secret")
    }
}

struct World {
    bench: Bench,
    needs: Needs,
    images: Images<Needs>,
}

impl World {
    async fn new() -> Self {
        let bench = Bench::new().await;
        let needs = Needs::default();
        let images = Self::controller(&bench, &needs);
        Self { bench, needs, images }
    }

    fn controller(bench: &Bench, needs: &Needs) -> Images<Needs> {
        let local = LocalRoot::open(bench.dir.path().join("store").parent().unwrap()).unwrap();
        Images::new(bench.store.clone(), bench.importer.clone(), Some(local), None, needs.clone())
    }

    /// A new object, as the API puts it.
    fn put(&self, url: &str, sha256: Sha256) -> Object<Noun> {
        let now = Timestamp::UNIX_EPOCH;
        let meta = Meta {
            kind: Kind::Image,
            id: ObjectId::new(),
            key: Key { site: Default::default(), owner: Default::default(), name: "debian".parse().unwrap() },
            incarnation: Incarnation::new(),
            confirmed: true,
            generation: 1,
            observed_generation: 0,
            revision: 0,
            created_at: now,
            deleted_at: None,
            purged_at: None,
        };
        let progress = Standing {
            since: now,
            evidence_at: now,
            waiting_for: None,
            amount: None,
            next_run_at: None,
            failure: None,
            held: None,
            decided_at: String::new(),
            attempts: 0,
        };
        self.needs.0.lock().unwrap().insert(meta.id, sha256);
        let spec = image::Spec {
            url: url.into(),
            sha256,
            arch: "x86_64".into(),
            seed: image::SeedFormat::default(),
        };
        Object { meta, spec, state: State::default(), status: image::Status::default(), progress }
    }

    async fn step(&self, object: &mut Object<Noun>) -> Step<Noun> {
        let snapshot = Snapshot {
            object: object.clone(),
            observations: Vec::new(),
            now: Timestamp::UNIX_EPOCH,
            awake_since: Timestamp::UNIX_EPOCH,
        };
        let step = self.images.step(&snapshot, &Nothing).await.unwrap();
        object.status = step.status.clone();
        object.progress.failure = None;
        match &step.outcome {
            Outcome::Advance { next } => object.state = next.clone(),
            Outcome::Failed { next, failure, .. } => {
                object.state = next.clone();
                object.progress.failure = Some(failure.clone());
            }
            Outcome::Wait { .. } | Outcome::Held { .. } | Outcome::Done { .. } | Outcome::Gone => {}
        }
        if !matches!(step.outcome, Outcome::Wait { .. } | Outcome::Advance { .. }) {
            object.meta.observed_generation = object.meta.generation;
        }
        step
    }

    /// Step until it rests.
    async fn settle(&self, object: &mut Object<Noun>) -> State {
        let rests = async {
            while matches!(self.step(object).await.outcome, Outcome::Wait { .. } | Outcome::Advance { .. }) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), rests).await.expect("it comes to rest");
        object.state.clone()
    }

    async fn delete(&self, object: &mut Object<Noun>) {
        object.meta.deleted_at = Some(Timestamp::UNIX_EPOCH);
        assert_eq!(self.step(object).await.outcome, Outcome::Gone);
        self.needs.0.lock().unwrap().remove(&object.meta.id);
    }
}

async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}/image")
}

async fn serve_bytes(bytes: Vec<u8>) -> String {
    let bytes = Bytes::from(bytes);
    serve(Router::new().route("/image", get(move || async move { bytes }))).await
}

#[tokio::test]
async fn an_image_is_ready_with_its_facts_and_rests() {
    let world = World::new().await;
    let packed = zst(&sample_disk());
    let mut object = world.put(&serve_bytes(packed.clone()).await, sha256(&packed));
    assert_eq!(world.settle(&mut object).await, State::Ready);
    let image = world.bench.store.image(sha256(&packed)).await.unwrap();
    assert_eq!(reassemble(&image).await, padded(&sample_disk()));
    let status = object.status.clone();
    assert_eq!(status.format.as_deref(), Some("raw.zst"));
    assert_eq!(status.virtual_size.unwrap().0, image.manifest().virtual_size());
    assert_eq!(status.stored_size.unwrap().0, image.data_length());
    assert_eq!(status.manifest_digest, Some(image.manifest().digest().to_string()));
    assert_eq!(world.step(&mut object).await.outcome, Outcome::Done { audit: None });
    object.meta.generation += 1;
    assert_eq!(world.settle(&mut object).await, State::Ready);
    assert_eq!(object.status, status, "another generation of the same loses nothing");
    world.bench.store.delete(sha256(&packed)).await.unwrap();
    assert_eq!(world.settle(&mut object).await, State::Ready, "what the store has lost is imported anew");
    assert_eq!(object.status, status);
}

#[tokio::test]
async fn a_wrong_checksum_fails_at_its_attribute_and_stands_until_a_new_generation() {
    let world = World::new().await;
    let url = serve_bytes(sample_disk()).await;
    let mut object = world.put(&url, sha256(b"something else"));
    assert_eq!(world.settle(&mut object).await, State::Failed);
    let failure = object.progress.failure.clone().unwrap();
    assert_eq!(failure.attribute.as_deref(), Some("source.sha256"));
    world.bench.assert_empty().await;
    let step = world.step(&mut object).await;
    assert_eq!(step.outcome, Outcome::Failed { next: State::Failed, failure, again: None });
    object.spec.sha256 = sha256(&sample_disk());
    object.meta.generation += 1;
    assert_eq!(world.settle(&mut object).await, State::Ready);
}

#[tokio::test]
async fn a_url_that_says_no_fails_at_its_attribute() {
    let world = World::new().await;
    let url = serve(Router::new().route("/image", get(|| async { StatusCode::NOT_FOUND }))).await;
    let mut object = world.put(&url, sha256(b"x"));
    assert_eq!(world.settle(&mut object).await, State::Failed);
    let failure = object.progress.failure.unwrap();
    assert_eq!(failure.attribute.as_deref(), Some("source.url"));
    assert!(failure.why.contains("404"), "{failure}");
}

#[tokio::test]
async fn an_object_deleted_while_it_is_imported_leaves_nothing() {
    let world = World::new().await;
    let app = Router::new().route(
        "/image",
        get(|| async {
            let first =
                futures::stream::once(async { Ok::<_, std::io::Error>(Bytes::from(vec![7; 1 << 20])) });
            Body::from_stream(first.chain(futures::stream::pending()))
        }),
    );
    let mut object = world.put(&serve(app).await, sha256(b"never"));
    let reading = async {
        loop {
            let step = world.step(&mut object).await;
            if matches!(step.outcome, Outcome::Wait { amount: Some(_), .. }) {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reading).await.expect("it reads");
    assert_eq!(leftovers(&world.bench.dir.path().join("store")), 1, "there is something to leave");
    world.delete(&mut object).await;
    world.bench.assert_empty().await;
}

#[tokio::test]
async fn bytes_that_two_objects_need_stay_until_the_second_goes() {
    let world = World::new().await;
    let disk = sample_disk();
    let url = serve_bytes(disk.clone()).await;
    let (mut one, mut two) = (world.put(&url, sha256(&disk)), world.put(&url, sha256(&disk)));
    world.step(&mut one).await;
    world.step(&mut one).await;
    let (a, b) = (world.settle(&mut two).await, world.settle(&mut one).await);
    assert_eq!((a, b), (State::Ready, State::Ready));
    assert_eq!(one.status.manifest_digest, two.status.manifest_digest);
    world.delete(&mut one).await;
    assert_eq!(reassemble(&world.bench.store.image(sha256(&disk)).await.unwrap()).await, padded(&disk));
    world.delete(&mut two).await;
    world.bench.assert_empty().await;
    assert_eq!(world.step(&mut two).await.outcome, Outcome::Gone, "a server that died before says the same");
}

#[tokio::test]
async fn a_server_started_again_imports_anew_or_finds_what_was_published() {
    let mut world = World::new().await;
    let disk = sample_disk();
    let mut object = world.put(&serve_bytes(disk.clone()).await, sha256(&disk));
    world.step(&mut object).await;
    world.step(&mut object).await;
    assert_eq!(object.state, State::Importing);
    world.images = World::controller(&world.bench, &world.needs);
    assert_eq!(world.settle(&mut object).await, State::Ready);
    object.state = State::Importing;
    object.spec.url = "http://127.0.0.1:1/gone".into();
    world.images = World::controller(&world.bench, &world.needs);
    assert_eq!(world.settle(&mut object).await, State::Ready, "the source is not needed any more");
}

#[tokio::test]
async fn only_files_beneath_the_allowed_directory_are_read() {
    let world = World::new().await;
    let disk = sample_disk();
    let path = world.bench.dir.path().join("disk.raw");
    std::fs::write(&path, &disk).unwrap();
    for url in
        ["file:///etc/hostname", &format!("file://{}/../../etc/hostname", world.bench.dir.path().display())]
    {
        let mut object = world.put(url, sha256(&disk));
        assert_eq!(world.settle(&mut object).await, State::Failed, "{url}");
        let failure = object.progress.failure.unwrap();
        assert_eq!(failure.attribute.as_deref(), Some("source.url"), "{failure}");
    }
    world.bench.assert_empty().await;
    let mut object = world.put(&format!("file://{}", path.display()), sha256(&disk));
    assert_eq!(world.settle(&mut object).await, State::Ready);
    assert_eq!(object.status.format.as_deref(), Some("raw"));
    let mut upload = world.put(&format!("upload://sha256/{}", sha256(&disk)), sha256(b"other"));
    assert_eq!(world.settle(&mut upload).await, State::Failed, "no uploads are allowed here");
}
