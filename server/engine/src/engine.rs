//! The loop: lease what is due, hand it to workers, sleep until something is due or a hint comes.
//!
//! It never polls for work while nothing changes. Several engines may share one database; each object is stepped by one
//! of them at a time.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::sleep_until,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use underlay_core::{Controller, Noun};
use underlay_store::{Store, hint::Topic, retention::Retention};
use uuid::Uuid;

use crate::{
    backoff::Backoff,
    clock::Clock,
    dispatch::{Dispatch, Wake},
    erased::{Controllers, Typed},
    metrics::Metrics,
    work::Worker,
};

/// A lease outlives the longest step by this much: the snapshot and the commit need time too.
const MARGIN: Duration = Duration::from_secs(30);

/// How an engine runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Steps under way at once.
    pub workers: NonZeroUsize,
    /// How long a lease lasts at least; it always outlives the longest step limit.
    pub lease: Duration,
    /// Waits after failures.
    pub backoff: Backoff,
    /// What is thrown away.
    pub retention: Retention,
    /// How often it is thrown away.
    pub sweep_every: Duration,
    /// Who tells the time.
    pub clock: Clock,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            // A step mostly waits for a BMC, which may think for 20 s.
            workers: NonZeroUsize::new(128).unwrap_or(NonZeroUsize::MIN),
            lease: Duration::from_secs(90),
            backoff: Backoff::default(),
            retention: Retention::default(),
            sweep_every: Duration::from_secs(3600),
            clock: Clock::default(),
        }
    }
}

/// Runs controllers over the objects of one store.
pub struct Engine {
    store: Store,
    config: Config,
    controllers: Controllers,
    metrics: Metrics,
}

impl Engine {
    /// An engine without controllers.
    pub fn new(store: Store, config: Config) -> Self {
        Self { store, config, controllers: Controllers::new(), metrics: Metrics::default() }
    }

    /// Has `controller` move the objects of its kind; a second one of the same kind replaces the first. Kinds without a
    /// controller are left alone.
    #[must_use]
    pub fn register<C: Controller>(mut self, controller: C) -> Self {
        self.controllers.insert(C::Noun::KIND, Arc::new(Typed(controller)));
        self
    }

    /// What it counts.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Runs until cancelled; then lets the steps under way finish and returns.
    pub async fn run(self, cancel: CancellationToken) {
        let store = self.store.clone();
        let sweep_every = self.config.sweep_every.max(Duration::from_secs(1));
        let (retention, clock, metrics) =
            (self.config.retention, self.config.clock.clone(), self.metrics.clone());
        let dispatch = self.dispatch(cancel.clone());
        info!(owner = dispatch.owner, workers = dispatch.workers, "engine runs");
        let mut steps = JoinSet::new();
        let mut hint = store.hint_of(&[Topic::Queue]);
        let mut sweep = tokio::time::interval(sweep_every);
        while !cancel.is_cancelled() {
            // Marked before looking: a hint that comes while looking is not lost.
            hint.mark_unchanged();
            let wake = dispatch.fill(&mut steps).await;
            metrics.set_running(steps.len());
            tokio::select! {
                () = cancel.cancelled() => {}
                () = due(wake, &mut hint) => {}
                Some(done) = steps.join_next() => {
                    report(done);
                    // Those that are free now are given work together.
                    while let Some(done) = steps.try_join_next() {
                        report(done);
                    }
                }
                _ = sweep.tick() => throw_away(&store, retention, clock.now(), &metrics).await,
            }
        }
        info!(running = steps.len(), "engine stops once the steps under way are done");
        while let Some(done) = steps.join_next().await {
            report(done);
        }
    }

    fn dispatch(self, cancel: CancellationToken) -> Dispatch {
        let longest = self.controllers.values().map(|controller| controller.step_limit()).max();
        let lease_for = self.config.lease.max(longest.unwrap_or_default() + MARGIN);
        let worker = Worker {
            awake_since: self.config.clock.now(),
            kept: Arc::default(),
            store: self.store,
            backoff: self.config.backoff,
            clock: self.config.clock,
            metrics: self.metrics,
            lease_for,
            cancel,
        };
        Dispatch {
            worker,
            kinds: self.controllers.keys().copied().collect(),
            controllers: self.controllers,
            owner: Uuid::new_v4().to_string(),
            workers: self.config.workers.get(),
        }
    }
}

/// Until a free worker may have something to do.
async fn due(wake: Wake, hint: &mut watch::Receiver<u64>) {
    match wake {
        Wake::WhenFree => std::future::pending().await,
        Wake::At(at) => tokio::select! {
            () = sleep_until(at) => {}
            // The store outlives the engine, so its hints never end.
            _ = hint.changed() => {}
        },
    }
}

async fn throw_away(store: &Store, retention: Retention, now: Timestamp, metrics: &Metrics) {
    match store.sweep(retention, now).await {
        Ok(rows) => metrics.swept(rows),
        Err(error) => warn!(%error, "cannot throw away old history, trying again later"),
    }
}

/// A step catches its controller's panics, so this is a fault of the engine itself; the lease runs out.
fn report(done: Result<(), JoinError>) {
    if let Err(error) = done {
        error!(%error, "a step ended without an answer");
    }
}
