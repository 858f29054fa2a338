//! How many steps a second the engine commits: `cargo run --release -p underlay-engine --example throughput [URL]`.
//!
//! Without a URL it runs on SQLite in a temporary folder. Each object is stepped from put to rest; a step does nothing
//! but decide, so this measures leases and commits, with every commit synced to disk.

use std::{num::NonZeroUsize, time::Instant};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use underlay_core::{
    Controller, Failure, Key, Kind, Snapshot, Step, View,
    credential::{Credential, Spec, State, Status},
};
use underlay_engine::{Config, Engine};
use underlay_store::{Intent, PutRequest, SealingKey, Store};

const OBJECTS: u64 = 500;

struct Keeper;

#[async_trait]
impl Controller for Keeper {
    type Noun = Credential;

    async fn step(&self, snapshot: &Snapshot<Credential>, _: &dyn View) -> Result<Step<Credential>, Failure> {
        Ok(match snapshot.object.state {
            State::Pending => Step::advance(Status {}, State::Stored),
            State::Stored => Step::done(Status {}, None),
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("underlay.db").display().to_string();
    let store = Store::open(&std::env::args().nth(1).unwrap_or(path), SealingKey::new(&[1; 32])).await?;
    let begun = Instant::now();
    for number in 0..OBJECTS {
        let name = format!("c{number}-{}", std::process::id()).parse()?;
        let key = Key { site: Default::default(), owner: Default::default(), name };
        let spec = Spec { username: "root".into(), secret_version: 1 };
        store.put(PutRequest::new::<Credential>(key, &spec, Intent::Create)?).await?;
    }
    println!("{:.0} puts/s", OBJECTS as f64 / begun.elapsed().as_secs_f64());
    for workers in [1, 8, 32] {
        let steps = run(&store, workers).await?;
        println!("{workers:2} workers: {steps:.0} steps/s");
    }
    Ok(())
}

/// Wakes every object and steps it to rest: steps a second.
async fn run(store: &Store, workers: usize) -> Result<f64, Box<dyn std::error::Error>> {
    let mut after = None;
    loop {
        let page = store.list(Kind::Credential, &Default::default(), after, 500).await?;
        for record in &page.records {
            store.wake(record.id()).await?;
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let config = Config { workers: NonZeroUsize::new(workers).ok_or("no workers")?, ..Config::default() };
    let engine = Engine::new(store.clone(), config).register(Keeper);
    let (metrics, cancel) = (engine.metrics(), CancellationToken::new());
    let begun = Instant::now();
    let task = tokio::spawn(engine.run(cancel.clone()));
    let kinds = [Kind::Credential].into();
    let mut hint = store.hint();
    while store.next_run(&kinds).await?.is_some() {
        // A step that changes nothing gives no hint, so look now and then.
        let _ = tokio::time::timeout(std::time::Duration::from_millis(20), hint.changed()).await;
    }
    let steps = metrics.steps(Kind::Credential, "advance") + metrics.steps(Kind::Credential, "done");
    let seconds = begun.elapsed().as_secs_f64();
    cancel.cancel();
    task.await?;
    Ok(steps as f64 / seconds)
}
