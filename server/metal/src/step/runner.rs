//! Does steps in the background of a server: each in a task of its own, within its time, its result told until it is kept.
//!
//! Invariant: at most one try per machine is under way here, and one that was stopped or has ended is never begun again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};
use underlay_core::{
    ObjectId, clock,
    step::{Ended, Result, Ticket},
};
use uuid::Uuid;

use super::{Company, Job, Runner, Standing, Work, webhook};

/// So many tries are under way at once; others wait, and their time has not begun.
const AT_ONCE: usize = 64;
/// When the result could not be kept, it is told again after so long.
const TELL_AGAIN: Duration = Duration::from_secs(2);
/// What ended is remembered for so long at least.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// Above so many, what ended long ago is forgotten.
const KNOWN: usize = 1024;

/// Where results go.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// Keeps how a try ended, and what was said meanwhile. Is it kept?
    async fn ended(&self, job: &Job, ended: &Ended, log: &str) -> bool;
}

/// Does the steps of one server; cheap to clone.
#[derive(Clone)]
pub struct Steps {
    instance: Uuid,
    company: Company,
    outbox: Arc<dyn Outbox>,
    known: Arc<Mutex<HashMap<ObjectId, Known>>>,
    room: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

struct Known {
    ticket: Ticket,
    standing: Standing,
    stop: CancellationToken,
    since: Instant,
}

/// What comes of a try, and what was said meanwhile.
pub(super) struct Came {
    pub(super) result: Result,
    pub(super) log: String,
}

impl Came {
    pub(super) fn failed(why: impl Into<String>) -> Self {
        let why = why.into();
        Self { log: format!("{why}\n"), result: Result::Failed { why } }
    }
}

impl Steps {
    /// Nothing is under way.
    pub fn new(company: Company, outbox: Arc<dyn Outbox>) -> Self {
        Self {
            instance: Uuid::new_v4(),
            company,
            outbox,
            known: Arc::default(),
            room: Arc::new(Semaphore::new(AT_ONCE)),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Stops everything, and waits until it has. What was under way is known to the store as begun.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn known(&self) -> MutexGuard<'_, HashMap<ObjectId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self, job: Job, stop: CancellationToken) {
        let came = tokio::select! {
            biased;
            () = self.stop.cancelled() => return,
            () = stop.cancelled() => return,
            came = self.try_it(&job) => came,
        };
        let word = match &came.result {
            Result::Done { .. } => "went well",
            Result::Failed { .. } => "failed",
        };
        info!(step = job.step, machine = %job.ticket.machine, attempt = job.ticket.attempt, word, "a step ended");
        let ended = Ended { ticket: job.ticket.clone(), result: came.result };
        let log = format!("{}{}", heading(&job, clock::now()), came.log);
        while !self.outbox.ended(&job, &ended, &log).await {
            warn!(step = job.step, machine = %job.ticket.machine, "how a step ended could not be kept, trying again");
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = stop.cancelled() => return,
                () = tokio::time::sleep(TELL_AGAIN) => {}
            }
        }
    }

    async fn try_it(&self, job: &Job) -> Came {
        let Ok(_room) = self.room.acquire().await else { return Came::failed("the server stops") };
        let doing = async {
            match &job.work {
                Work::Webhook { url, login } => webhook::call(url, login.as_ref(), job).await,
            }
        };
        match tokio::time::timeout(job.limit, doing).await {
            Ok(came) => came,
            Err(_) => {
                Came::failed(format!("it was not done within {} s, and was stopped", job.limit.as_secs()))
            }
        }
    }
}

impl Runner for Steps {
    fn instance(&self) -> Uuid {
        self.instance
    }

    fn company(&self) -> Company {
        self.company
    }

    fn standing(&self, ticket: &Ticket) -> Option<Standing> {
        let known = self.known();
        known.get(&ticket.machine).filter(|known| known.ticket == *ticket).map(|known| known.standing)
    }

    fn begin(&self, job: Job) {
        let stop = CancellationToken::new();
        let ticket = job.ticket.clone();
        let fresh = Known {
            ticket: ticket.clone(),
            standing: Standing::Begun,
            stop: stop.clone(),
            since: Instant::now(),
        };
        {
            let mut known = self.known();
            if known.len() > KNOWN {
                known.retain(|_, it| it.since.elapsed() < REMEMBERED.max(job.limit));
            }
            if known.get(&ticket.machine).is_some_and(|it| it.ticket == ticket) {
                return;
            }
            if let Some(before) = known.insert(ticket.machine, fresh) {
                before.stop.cancel();
            }
        }
        self.tasks.spawn(self.clone().run(job, stop));
    }

    fn stop(&self, machine: ObjectId) {
        if let Some(known) = self.known().get_mut(&machine) {
            known.standing = Standing::Stopped;
            known.stop.cancel();
        }
    }
}

/// The text with control characters and what is beyond `limit` bytes left out, for logs and reasons.
pub(super) fn bounded(text: &str, limit: usize) -> String {
    let clean = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
    let mut kept = String::new();
    for c in text.chars().map(clean) {
        if kept.len() + c.len_utf8() > limit {
            kept.push_str("..");
            break;
        }
        kept.push(c);
    }
    kept
}

/// So that a log can be told from another's: when, which step, which try.
fn heading(job: &Job, now: Timestamp) -> String {
    let ticket = &job.ticket;
    format!("{now} step {} ({}), try {}:\n", job.step, ticket.when.as_str(), ticket.attempt)
}
