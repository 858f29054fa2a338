//! Leases made durable in batches: while one batch is written the next one gathers, and each ACK follows its write.
//!
//! One writer, in order. A batch that fails is dropped with its replies: the clients ask again.

use std::sync::{Arc, atomic::Ordering};

use tokio::{net::UdpSocket, sync::mpsc};
use tracing::error;

use super::{
    counters::{Counters, count},
    leases::{Lease, Leases},
    responder::Outgoing,
    socket::send,
};

/// How many leases wait at most; beyond that requests are dropped.
pub(crate) const QUEUE: usize = 16 * 1024;
const BATCH: usize = 1024;

/// A lease to write, and the reply that waits for it.
pub(crate) struct Pending {
    pub lease: Lease,
    pub reply: Option<(Arc<UdpSocket>, Outgoing)>,
}

/// Runs until every sender is gone and the last batch is written.
pub(crate) async fn run(
    leases: Arc<dyn Leases>,
    mut queue: mpsc::Receiver<Pending>,
    counters: Arc<Counters>,
) {
    let mut waiting = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut waiting, BATCH).await > 0 {
        let (batch, replies): (Vec<_>, Vec<_>) =
            waiting.drain(..).map(|pending| (pending.lease, pending.reply)).unzip();
        let size = batch.len();
        match leases.commit(batch).await {
            Ok(()) => {
                count(&counters.batches);
                counters.committed.fetch_add(size.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
            }
            Err(error) => {
                count(&counters.commit_failures);
                error!(leases = size, error = &error as &dyn std::error::Error, "leases not written");
                continue;
            }
        }
        for (socket, outgoing) in replies.into_iter().flatten() {
            send(&socket, &outgoing, &counters).await;
        }
    }
}
