//! Concurrent reads made one: Terraform refreshes ten objects at a time, one call each, and the server answers a thousand
//! in one BatchGet.
//!
//! The first read of a batch lets those that have arrived already join it, as long as they do, and asks for all of them.
//! No clock is waited for: a millisecond more for each ten reads would be half a second of a plan of a thousand.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tonic::Status;
use underlay_proto::v1 as pb;

use crate::{client::Client, noun::Noun};

/// A batch is sent after so many turns of the scheduler in any case.
const TURNS: usize = 16;
/// The most entries of one BatchGet.
const LIMIT: usize = 1000;

/// The batches of all nouns.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    pub(crate) host: Batch<pb::Host>,
    pub(crate) pool: Batch<pb::Pool>,
    pub(crate) profile: Batch<pb::Profile>,
    pub(crate) site: Batch<pb::Site>,
    pub(crate) step: Batch<pb::Step>,
    pub(crate) network: Batch<pb::Network>,
    pub(crate) credential: Batch<pb::Credential>,
    pub(crate) image: Batch<pb::Image>,
    pub(crate) machine: Batch<pb::Machine>,
}

/// Reads of one noun that wait to be sent together.
#[derive(Debug)]
pub(crate) struct Batch<N>(Arc<Mutex<Vec<Waiting<N>>>>);

impl<N> Default for Batch<N> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

#[derive(Debug)]
struct Waiting<N> {
    request: pb::GetRequest,
    answer: oneshot::Sender<Result<Option<N>, Status>>,
}

impl<N> Batch<N> {
    fn with<T>(&self, work: impl FnOnce(&mut Vec<Waiting<N>>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reads an object; `None` if there is none, or none of that incarnation.
///
/// # Errors
/// The server's.
pub(crate) async fn read<N: Noun>(client: &Client, request: pb::GetRequest) -> Result<Option<N>, Status> {
    let (answer, answered) = oneshot::channel();
    let batch = N::batch(&client.reads);
    let position = batch.with(|waiting| {
        waiting.push(Waiting { request, answer });
        waiting.len()
    });
    if position == 1 {
        gather(batch).await;
        send(client, batch).await;
    }
    answered.await.unwrap_or_else(|_| Err(Status::cancelled("the read was given up")))
}

/// Gives way while others join.
async fn gather<N>(batch: &Batch<N>) {
    let mut size = 1;
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
        let now = batch.with(|waiting| waiting.len());
        if now == size || now >= LIMIT {
            return;
        }
        size = now;
    }
}

async fn send<N: Noun>(client: &Client, batch: &Batch<N>) {
    let mut waiting = batch.with(std::mem::take);
    while !waiting.is_empty() {
        let rest = waiting.split_off(waiting.len().min(LIMIT));
        let requests = waiting.iter().map(|one| one.request.clone()).collect();
        match N::get_many(client, pb::BatchGetRequest { requests }).await {
            Ok(found) if found.len() == waiting.len() => {
                for (one, found) in waiting.into_iter().zip(found) {
                    // Who asked may have been told to stop.
                    one.answer.send(Ok(found)).ok();
                }
            }
            Ok(_) => refuse(waiting, &Status::internal("a BatchGet was not answered entry by entry")),
            Err(status) => refuse(waiting, &status),
        }
        waiting = rest;
    }
}

fn refuse<N>(waiting: Vec<Waiting<N>>, status: &Status) {
    for one in waiting {
        one.answer.send(Err(status.clone())).ok();
    }
}
