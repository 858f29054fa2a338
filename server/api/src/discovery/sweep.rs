//! Notices who waits no more: an agent says nothing when its machine is switched off.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use underlay_core::{
    ObjectId, because,
    observation::{Body, Observation, Source},
};
use underlay_store::{Error, Store};

use super::Register;

/// How often it is looked who is there.
const LOOK: Duration = Duration::from_secs(30);

impl Register {
    /// Writes of whom nothing was heard any more, until cancelled.
    pub async fn sweep(&self, store: &Store, cancel: CancellationToken) {
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let (left, settled) = self.notes.gone(self.seats.hosts());
            for host in left {
                self.notes.left(host);
                write(store, host, Source::Waiting, Body::Left).await;
            }
            for host in settled {
                self.notes.settled(host);
                write(store, host, Source::Resemblance, Body::Distinct).await;
            }
        }
    }
}

async fn write(store: &Store, id: ObjectId, source: Source, body: Body) {
    let seen = Observation { id, source, at: underlay_core::clock::now(), body };
    match store.observe(&seen).await {
        Ok(()) | Err(Error::NotFound { .. }) => {}
        // It is not believed for long anyway.
        Err(error) => {
            tracing::warn!(%id, error = because(&error), "it could not be written who waits no more")
        }
    }
}
