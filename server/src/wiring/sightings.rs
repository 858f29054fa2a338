//! What boot servers saw of a host's NICs, and of other DHCP servers on a network, kept as one observation per host and
//! network: bounded, off the packet's path, droppable.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use underlay_core::{
    Mac, ObjectId, because,
    observation::{Body, Observation, Source, Stranger},
};
use underlay_metal::dhcp::{NetworkName, Sighting, Sightings};
use underlay_store::Store;

use super::projection::Projection;

/// How many sightings may wait to be written; more are dropped.
const WAITING: usize = 1024;

/// Where boot servers drop what they saw; cheap to clone.
#[derive(Clone)]
pub struct Noticeboard(mpsc::Sender<Notice>);

/// What hangs on it.
enum Notice {
    /// A NIC was seen doing something.
    Nic(Mac, String),
    /// A host's BMC was seen doing something.
    Bmc(ObjectId, String),
    /// Who else hands out addresses on a network, by its name.
    Strangers(String, Vec<Stranger>),
}

/// Writes what is dropped on its [`Noticeboard`].
pub struct Scribe {
    notices: mpsc::Receiver<Notice>,
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
        let _ = self.0.try_send(Notice::Nic(mac, what.to_owned()));
    }

    /// The BMC of `host` was seen doing `what`. Dropped when too much waits.
    pub fn saw_bmc(&self, host: ObjectId, what: &str) {
        let _ = self.0.try_send(Notice::Bmc(host, what.to_owned()));
    }
}

impl Sightings for Noticeboard {
    fn saw(&self, sighting: Sighting) {
        let what = format!("DHCP {:?} from {:?}", sighting.wish, sighting.program).to_lowercase();
        Noticeboard::saw(self, sighting.mac, &what.replacen("dhcp", "DHCP", 1));
    }

    /// Dropped when too much waits: it is said again after the next probe.
    fn strangers(&self, network: &NetworkName, strangers: Vec<Stranger>) {
        let _ = self.0.try_send(Notice::Strangers(network.as_str().to_owned(), strangers));
    }
}

impl Scribe {
    /// Write until cancelled.
    pub async fn run(mut self, cancel: CancellationToken) {
        loop {
            let notice = tokio::select! {
                () = cancel.cancelled() => return,
                notice = self.notices.recv() => match notice {
                    Some(notice) => notice,
                    None => return,
                },
            };
            let Some((id, source, body)) = self.read(notice) else { continue };
            let seen = Observation { id, source, at: underlay_core::clock::now(), body };
            match self.store.observe(&seen).await {
                Ok(()) | Err(underlay_store::Error::NotFound { .. }) => {}
                Err(error) => tracing::warn!(error = because(&error), %id, "a sighting could not be kept"),
            }
        }
    }

    /// Of which object it is; none where nobody knows that NIC or network.
    fn read(&self, notice: Notice) -> Option<(ObjectId, Source, Body)> {
        match notice {
            Notice::Nic(mac, what) => {
                self.projection.host_of(mac).map(|(host, _)| (host, Source::Boot, Body::Boot { what }))
            }
            Notice::Bmc(host, what) => Some((host, Source::Boot, Body::Boot { what })),
            Notice::Strangers(network, strangers) => {
                let id = self.projection.network_named(&network)?;
                Some((id, Source::Segment, Body::Segment { strangers }))
            }
        }
    }
}
