//! Hands out what is due to free workers, and says when to look again.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{task::JoinSet, time::Instant};
use tracing::{Instrument, info_span, warn};
use underlay_core::Kind;
use underlay_store::{Error, Lease, Store};

use crate::{
    erased::Controllers,
    work::{Left, Worker},
};

/// The longest sleep: what another server queued is found though its hint was lost.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// After the database failed, and while another server is just taking what is due.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) struct Dispatch {
    pub(crate) worker: Worker,
    pub(crate) controllers: Controllers,
    pub(crate) kinds: BTreeSet<Kind>,
    pub(crate) owner: String,
    pub(crate) workers: usize,
}

/// When to look again.
pub(crate) enum Wake {
    /// When a step ends: every worker is busy.
    WhenFree,
    /// Then, or when a hint comes.
    At(Instant),
}

impl Dispatch {
    /// Starts as many due steps as there are free workers.
    pub(crate) async fn fill(&self, steps: &mut JoinSet<()>) -> Wake {
        let left = self.worker.give_back_kept().await;
        let wake = self.fill_up(steps).await;
        match wake {
            Wake::At(at) if left == Left::Some => Wake::At(at.min(Instant::now() + PAUSE)),
            wake => wake,
        }
    }

    async fn fill_up(&self, steps: &mut JoinSet<()>) -> Wake {
        let mut next = match self.worker.store.next_run(&self.kinds).await {
            Ok(next) => next,
            Err(error) => return unable(&error),
        };
        while steps.len() < self.workers {
            let now = self.worker.clock.now();
            if next.is_none_or(|next| next > now) {
                return self.sleep_until(next);
            }
            let free = self.workers - steps.len();
            let store: &Store = &self.worker.store;
            match store.lease_next(&self.owner, &self.kinds, free, now, self.worker.lease_for).await {
                Ok((leases, soonest)) => {
                    if leases.is_empty() {
                        return self.sleep_until(soonest);
                    }
                    leases.into_iter().for_each(|lease| self.start(lease, steps));
                    next = soonest;
                }
                Err(error) => return unable(&error),
            }
        }
        Wake::WhenFree
    }

    fn start(&self, lease: Lease, steps: &mut JoinSet<()>) {
        let Some(controller) = self.controllers.get(&lease.kind) else { return };
        let (worker, controller) = (self.worker.clone(), Arc::clone(controller));
        let span = info_span!("step", kind = %lease.kind, id = %lease.id);
        steps.spawn(async move { worker.step(lease, controller).await }.instrument(span));
    }

    fn sleep_until(&self, next: Option<Timestamp>) -> Wake {
        let now = self.worker.clock.now();
        let sleep = match next {
            None => LONGEST_SLEEP,
            // Another server is just taking it.
            Some(next) if next <= now => PAUSE,
            Some(next) => next.duration_since(now).unsigned_abs().min(LONGEST_SLEEP),
        };
        Wake::At(Instant::now() + sleep)
    }
}

fn unable(error: &Error) -> Wake {
    warn!(%error, "cannot lease what is due, trying again");
    Wake::At(Instant::now() + PAUSE)
}
