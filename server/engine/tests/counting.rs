//! The engine with a controller that counts: from put to gone, through panics, failures and crashes, on both databases.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use underlay_core::{Controller, ErrorKind, Failure, FieldError, Kind, Noun, ObjectId, Snapshot, Step, View};
use underlay_engine::{Backoff, Clock, Config, Engine, Metrics};
use underlay_store::{
    Deletion, Intent, PutRequest, Record, Store, feed::Follow, on_both_databases, operation::Ending,
    testing::Database,
};

/// Counts to its spec, one step at a time.
#[derive(Clone, Copy, Debug)]
struct Count;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct CountSpec {
    to: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct CountState {
    at: u64,
    done: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct CountStatus {
    steps: u64,
}

impl Noun for Count {
    const KIND: Kind = Kind::Network;
    type Spec = CountSpec;
    type State = CountState;
    type Status = CountStatus;
}

impl underlay_core::Spec for CountSpec {
    fn validate(&self) -> Result<(), Vec<FieldError>> {
        Ok(())
    }
}

impl underlay_core::State for CountState {
    fn phase(&self) -> &'static str {
        if self.done { "counted" } else { "counting" }
    }

    fn is_settled(&self) -> bool {
        self.done
    }
}

/// What goes wrong in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Fails,
    Panics,
    Hangs,
}

/// The controller; keeps a record of who is in a step, so that two at once are noticed.
#[derive(Clone)]
struct Counter {
    inside: Arc<Mutex<Vec<ObjectId>>>,
    overlapped: Arc<AtomicBool>,
    steps: Arc<AtomicU64>,
    fault: Arc<Mutex<(Fault, u64)>>,
    limit: Duration,
}

impl Counter {
    fn new() -> Self {
        Self {
            inside: Arc::default(),
            overlapped: Arc::default(),
            steps: Arc::default(),
            fault: Arc::new(Mutex::new((Fault::None, 0))),
            limit: Duration::from_secs(30),
        }
    }

    /// The next `times` steps go wrong.
    fn failing(fault: Fault, times: u64) -> Self {
        let counter = Self::new();
        *counter.fault.lock().expect("not poisoned") = (fault, times);
        counter
    }

    fn next_fault(&self) -> Fault {
        let mut fault = self.fault.lock().expect("not poisoned");
        if fault.1 == 0 {
            return Fault::None;
        }
        fault.1 -= 1;
        fault.0
    }
}

#[async_trait]
impl Controller for Counter {
    type Noun = Count;

    async fn step(&self, snapshot: &Snapshot<Count>, _: &dyn View) -> Result<Step<Count>, Failure> {
        let id = snapshot.object.meta.id;
        {
            let mut inside = self.inside.lock().expect("not poisoned");
            if inside.contains(&id) {
                self.overlapped.store(true, Ordering::Relaxed);
            }
            inside.push(id);
        }
        self.steps.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        self.inside.lock().expect("not poisoned").retain(|other| *other != id);
        match self.next_fault() {
            Fault::None => Ok(count(snapshot)),
            Fault::Fails => {
                let kind = ErrorKind::Transient;
                Err(Failure::new(kind, "network n", "the BMC is busy", "it is tried again", "wait"))
            }
            Fault::Panics => panic!("on purpose"),
            Fault::Hangs => std::future::pending().await,
        }
    }

    fn step_limit(&self) -> Duration {
        self.limit
    }
}

fn count(snapshot: &Snapshot<Count>) -> Step<Count> {
    let (object, to) = (&snapshot.object, snapshot.object.spec.to);
    let status = CountStatus { steps: object.status.steps + 1 };
    if snapshot.is_deleting() {
        return Step::gone(object.status.clone());
    }
    if object.state.at == to {
        return match object.state.done {
            true => Step::done(object.status.clone(), None),
            false => Step::advance(status, CountState { at: to, done: true }),
        };
    }
    Step::advance(status, CountState { at: object.state.at + 1, done: false })
}

struct Running {
    cancel: CancellationToken,
    task: JoinHandle<()>,
    metrics: Metrics,
}

fn quick() -> Config {
    let (first, cap) = (Duration::from_millis(20), Duration::from_millis(100));
    Config { backoff: Backoff { first, cap }, ..Config::default() }
}

fn start(store: &Store, counter: &Counter, config: Config) -> Running {
    let cancel = CancellationToken::new();
    let engine = Engine::new(store.clone(), config).register(counter.clone());
    let metrics = engine.metrics();
    Running { task: tokio::spawn(engine.run(cancel.clone())), cancel, metrics }
}

impl Running {
    async fn stop(self) {
        self.cancel.cancel();
        self.task.await.expect("the engine ends");
    }
}

async fn put(store: &Store, name: &str, to: u64, intent: Intent) -> Record {
    let key = underlay_core::Key {
        site: Default::default(),
        owner: Default::default(),
        name: name.parse().expect("a name"),
    };
    let request = PutRequest::new::<Count>(key, &CountSpec { to }, intent).expect("a request");
    store.put(request).await.expect("put").record
}

/// Follows the feed until the object is as wished.
async fn until(store: &Store, id: ObjectId, wish: impl Fn(&Record) -> bool) -> Record {
    let mut hint = store.hint();
    let follow = async {
        let mut cursor = 0;
        loop {
            hint.mark_unchanged();
            let changes = store
                .changes(cursor, Follow { id: Some(id), ..Follow::default() }, 10)
                .await
                .expect("changes");
            cursor = changes.cursor;
            if let Some(record) = changes.records.into_iter().rfind(&wish) {
                return record;
            }
            hint.changed().await.expect("the store is open");
        }
    };
    tokio::time::timeout(Duration::from_secs(60), follow).await.expect("it comes to pass")
}

fn counted(to: u64) -> impl Fn(&Record) -> bool {
    move |record| record.is_at_rest() && record.raw.state["at"] == to
}

async fn a_count_is_created_updated_and_deleted(database: &Database) {
    let store = database.open().await;
    let counter = Counter::new();
    let engine = start(&store, &counter, quick());
    let made = put(&store, "n", 3, Intent::Create).await;
    let done = until(&store, made.id(), counted(3)).await;
    assert_eq!((done.phase.as_str(), done.raw.meta.observed_generation), ("counted", 1));
    assert_eq!(done.raw.status["steps"], 4, "three counts and one rest");
    let incarnation = done.raw.meta.incarnation;
    put(&store, "n", 5, Intent::Update { incarnation }).await;
    let done = until(&store, made.id(), counted(5)).await;
    assert_eq!((done.raw.meta.observed_generation, &done.raw.status["steps"]), (2, &7.into()));
    let deletion = store.delete(made.id(), incarnation).await.expect("delete");
    assert!(matches!(deletion, Deletion::Wanted(_)), "{deletion:?}");
    until(&store, made.id(), |record| record.raw.meta.purged_at.is_some()).await;
    let operations = store.operations(Some(made.id()), 10).await.expect("operations");
    assert_eq!(operations.len(), 3);
    assert!(operations.iter().all(|operation| operation.ending == Some(Ending::Done)), "{operations:?}");
    let metrics = engine.metrics.clone();
    engine.stop().await;
    assert_eq!(metrics.steps(Kind::Network, "gone"), 1);
    assert_eq!(metrics.steps(Kind::Network, "done"), 2);
}

async fn engines_that_share_a_database_never_step_an_object_at_once(database: &Database) {
    let store = database.open().await;
    let counter = Counter::new();
    let config = || Config { workers: NonZeroUsize::new(4).expect("not zero"), ..quick() };
    let engines: Vec<_> = (0..3).map(|_| start(&store, &counter, config())).collect();
    let mut ids = Vec::new();
    for number in 0..15 {
        ids.push(put(&store, &format!("n{number}"), 4, Intent::Create).await.id());
    }
    for id in ids {
        let done = until(&store, id, counted(4)).await;
        assert_eq!(done.raw.status["steps"], 5, "no step is committed twice");
    }
    for engine in engines {
        engine.stop().await;
    }
    assert!(!counter.overlapped.load(Ordering::Relaxed));
}

async fn a_failure_a_panic_and_a_hang_are_shown_and_tried_again(database: &Database) {
    for fault in [Fault::Fails, Fault::Panics, Fault::Hangs] {
        let store = database.open().await;
        let mut counter = Counter::failing(fault, 3);
        if fault == Fault::Hangs {
            counter.limit = Duration::from_millis(100);
        }
        let engine = start(&store, &counter, quick());
        let made = put(&store, &format!("{fault:?}").to_lowercase(), 2, Intent::Create).await;
        let done = until(&store, made.id(), counted(2)).await;
        assert_eq!((done.raw.progress.attempts, done.raw.progress.failure), (0, None), "{fault:?}");
        assert!(engine.metrics.steps(Kind::Network, "retry") >= 3, "{fault:?}");
        let events = store.latest_events(made.id(), 20).await.expect("events");
        let shown = events.iter().filter(|event| event.text.starts_with("tries again")).count();
        assert_eq!(shown, 1, "the same failure is told once: {events:?}");
        engine.stop().await;
    }
}

async fn a_failed_try_is_not_repeated_before_its_time(database: &Database) {
    let store = database.open().await;
    let begun = Timestamp::now();
    let minutes = Arc::new(AtomicU64::new(0));
    let clock = Clock::new({
        let minutes = Arc::clone(&minutes);
        move || Timestamp::now().max(begun + Duration::from_secs(60 * minutes.load(Ordering::Relaxed)))
    });
    let hour = Duration::from_secs(3600);
    let counter = Counter::failing(Fault::Fails, 1);
    let backoff = Backoff { first: hour, cap: hour };
    let engine = start(&store, &counter, Config { clock, backoff, ..Config::default() });
    let first = put(&store, "first", 1, Intent::Create).await.id();
    let failed = until(&store, first, |record| record.raw.progress.failure.is_some()).await;
    let wait = failed.raw.progress.next_run_at.expect("a time").duration_since(begun).as_secs();
    assert!((30 * 60..=61 * 60).contains(&wait), "{wait} s");
    minutes.store(25, Ordering::Relaxed);
    let second = put(&store, "second", 1, Intent::Create).await.id();
    until(&store, second, counted(1)).await;
    let waiting = store.get(first).await.expect("get").expect("there");
    assert_eq!(waiting.raw.progress.attempts, 1, "25 minutes are not enough");
    minutes.store(62, Ordering::Relaxed);
    let third = put(&store, "third", 1, Intent::Create).await.id();
    until(&store, third, counted(1)).await;
    until(&store, first, counted(1)).await;
    engine.stop().await;
}

async fn an_engine_that_dies_in_a_step_is_replaced(database: &Database) {
    let store = database.open().await;
    let stuck = Counter::failing(Fault::Hangs, 1);
    let dying = start(&store, &stuck, quick());
    let made = put(&store, "n", 2, Intent::Create).await;
    while stuck.steps.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    dying.task.abort();
    assert!(dying.task.await.expect_err("it was killed").is_cancelled());
    // The other engine's clock runs two minutes ahead, so the dead one's lease has run out for it.
    let clock = Clock::new(|| Timestamp::now() + Duration::from_secs(120));
    let counter = Counter::new();
    let engine = start(&store, &counter, Config { clock, ..quick() });
    let done = until(&store, made.id(), counted(2)).await;
    assert_eq!(done.raw.status["steps"], 3);
    engine.stop().await;
}

async fn a_stopping_engine_finishes_the_step_under_way(database: &Database) {
    let store = database.open().await;
    let (entered, let_go) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let cancel = CancellationToken::new();
    let gate = Gate { entered: Arc::clone(&entered), let_go: Arc::clone(&let_go) };
    let task = tokio::spawn(Engine::new(store.clone(), quick()).register(gate).run(cancel.clone()));
    let made = put(&store, "n", 1, Intent::Create).await;
    entered.notified().await;
    cancel.cancel();
    let_go.notify_one();
    task.await.expect("the engine ends");
    let record = store.get(made.id()).await.expect("get").expect("there");
    assert_eq!(record.raw.state["at"], 1, "the step was committed");
}

/// A controller whose step waits to be let go.
struct Gate {
    entered: Arc<tokio::sync::Notify>,
    let_go: Arc<tokio::sync::Notify>,
}

#[async_trait]
impl Controller for Gate {
    type Noun = Count;

    async fn step(&self, snapshot: &Snapshot<Count>, _: &dyn View) -> Result<Step<Count>, Failure> {
        self.entered.notify_one();
        self.let_go.notified().await;
        Ok(count(snapshot))
    }
}

on_both_databases!(
    a_count_is_created_updated_and_deleted,
    engines_that_share_a_database_never_step_an_object_at_once,
    a_failure_a_panic_and_a_hang_are_shown_and_tried_again,
    a_failed_try_is_not_repeated_before_its_time,
    an_engine_that_dies_in_a_step_is_replaced,
    a_stopping_engine_finishes_the_step_under_way,
);
