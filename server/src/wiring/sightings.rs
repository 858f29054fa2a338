//! What boot servers saw of a host's NICs, kept as one observation per host: bounded, off the packet's path, droppable.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use underlay_core::{
    Mac, because,
    observation::{Body, Observation, Source},
};
use underlay_metal::dhcp::{Sighting, Sightings};
use underlay_store::Store;

use super::projection::Projection;

/// How many sightings may wait to be written; more are dropped.
const WAITING: usize = 1024;

/// Where boot servers drop what they saw; cheap to clone.
#[derive(Clone)]
pub struct Noticeboard(mpsc::Sender<(Mac, String)>);

/// Writes what is dropped on its [`Noticeboard`].
pub struct Scribe {
    notices: mpsc::Receiver<(Mac, String)>,
    projection: Arc<Projection>,
    store: Store,
}

/// A noticeboard and the scribe who empties it.
pub fn noticeboard(projection: Arc<Projection>, store: Store) -> (Noticeboard, Scribe) {
    let (sender, notices) = mpsc::channel(WAITING);
    (Noticeboard(sender), Scribe { notices, projection, store })
}

impl Noticeboard {
    /// A NIC was seen doing `what`. Dropped when too much waits.
    pub fn saw(&self, mac: Mac, what: &str) {
        let _ = self.0.try_send((mac, what.to_owned()));
    }
}

impl Sightings for Noticeboard {
    fn saw(&self, sighting: Sighting) {
        let what = format!("DHCP {:?} from {:?}", sighting.wish, sighting.program).to_lowercase();
        Noticeboard::saw(self, sighting.mac, &what.replacen("dhcp", "DHCP", 1));
    }
}

impl Scribe {
    /// Write until cancelled.
    pub async fn run(mut self, cancel: CancellationToken) {
        loop {
            let (mac, what) = tokio::select! {
                () = cancel.cancelled() => return,
                notice = self.notices.recv() => match notice {
                    Some(notice) => notice,
                    None => return,
                },
            };
            let Some((host, _)) = self.projection.host_of(mac) else { continue };
            let seen = Observation {
                id: host,
                source: Source::Boot,
                at: Timestamp::now(),
                body: Body::Boot { what },
            };
            match self.store.observe(&seen).await {
                Ok(()) | Err(underlay_store::Error::NotFound { .. }) => {}
                Err(error) => tracing::warn!(error = because(&error), %mac, "a sighting could not be kept"),
            }
        }
    }
}
