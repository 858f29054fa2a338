//! BMCs that say that something happened: where they say it, whether it was they, and a look at the host soon after.
//!
//! An address holds a proof made of the sealing key and the host's id, so nothing is kept of it; under another sealing key all
//! are others. A BMC that says it a thousand times in a second has its host looked at twice: at once, and when it has
//! settled.

use std::{
    collections::HashMap,
    future::Future,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use ring::hmac;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use underlay_core::{
    ObjectId, SecretString,
    bmc::{EventAddress, event_path},
};
use underlay_store::{SealingKey, Store};

/// Hints that wait; a host whose hint finds no room is looked at when all are.
const WAITING: usize = 4096;
/// A host is looked at no more often.
const SETTLES: Duration = Duration::from_secs(5);

/// Makes and checks the addresses.
#[derive(Clone)]
pub struct Proofs {
    key: hmac::Key,
    base: String,
}

impl Proofs {
    /// For BMCs that reach the boot endpoint there.
    pub fn new(sealing: &SealingKey, address: IpAddr, port: u16) -> Self {
        let base = format!("http://{}", SocketAddr::new(address, port));
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &sealing.derive("BMC events")), base }
    }

    /// Is this the proof of that host?
    pub fn is_genuine(&self, host: ObjectId, proof: &str) -> bool {
        let mut tag = [0; 32];
        hex::decode_to_slice(proof, &mut tag).is_ok()
            && hmac::verify(&self.key, host.to_string().as_bytes(), &tag).is_ok()
    }
}

impl EventAddress for Proofs {
    fn of(&self, host: ObjectId) -> SecretString {
        let proof = hex::encode(hmac::sign(&self.key, host.to_string().as_bytes()));
        format!("{}{}", self.base, event_path(host, &proof)).into()
    }
}

/// Where hints go.
#[derive(Clone)]
pub struct Ear {
    proofs: Option<Proofs>,
    hints: mpsc::Sender<ObjectId>,
}

impl Ear {
    /// Passes on a hint that is genuine; says whether it was.
    pub fn hears(&self, host: ObjectId, proof: &str) -> bool {
        let is_genuine = self.proofs.as_ref().is_some_and(|proofs| proofs.is_genuine(host, proof));
        if is_genuine && self.hints.try_send(host).is_err() {
            tracing::debug!(%host, "too many events: one was dropped");
        }
        is_genuine
    }
}

/// The other end: has hosts looked at.
pub struct Looker {
    hints: mpsc::Receiver<ObjectId>,
    /// Hosts that were looked at, until when they are left alone, and whether to look again then.
    resting: HashMap<ObjectId, (Instant, Again)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    Yes,
    No,
}

/// Both ends.
pub fn pair(proofs: Option<Proofs>) -> (Ear, Looker) {
    let (hints, received) = mpsc::channel(WAITING);
    (Ear { proofs, hints }, Looker { hints: received, resting: HashMap::new() })
}

impl Looker {
    /// Runs until cancelled.
    pub async fn run(self, store: Store, cancel: CancellationToken) {
        let look = |host| {
            let store = store.clone();
            async move {
                if let Err(error) = store.wake(host).await {
                    tracing::debug!(%host, error = underlay_core::because(&error), "not woken by its event");
                }
            }
        };
        cancel.run_until_cancelled(self.follow(look)).await;
    }

    async fn follow<F: Future<Output = ()>>(mut self, look: impl Fn(ObjectId) -> F) {
        loop {
            let next = self.resting.values().map(|(until, _)| *until).min();
            let rested = async {
                match next {
                    Some(until) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                host = self.hints.recv() => match host {
                    Some(host) => self.hear(host, &look).await,
                    None => return,
                },
                () = rested => self.wake_rested(&look).await,
            }
        }
    }

    async fn hear<F: Future<Output = ()>>(&mut self, host: ObjectId, look: &impl Fn(ObjectId) -> F) {
        match self.resting.get_mut(&host) {
            Some((_, again)) => *again = Again::Yes,
            None => {
                self.resting.insert(host, (Instant::now() + SETTLES, Again::No));
                look(host).await;
            }
        }
    }

    async fn wake_rested<F: Future<Output = ()>>(&mut self, look: &impl Fn(ObjectId) -> F) {
        let now = Instant::now();
        let rested: Vec<_> = self.resting.extract_if(|_, (until, _)| *until <= now).collect();
        for (host, (_, again)) in rested {
            if again == Again::Yes {
                self.hear(host, look).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn proofs(key: u8) -> Proofs {
        Proofs::new(&SealingKey::new(&[key; 32]), [10, 0, 0, 1].into(), 7480)
    }

    fn proof(address: &SecretString) -> String {
        use secrecy::ExposeSecret;
        address.expose_secret().rsplit('/').next().unwrap_or_default().to_owned()
    }

    #[test]
    fn an_address_proves_its_own_host_and_no_other() {
        let (one, other) = (ObjectId::new(), ObjectId::new());
        let given = proof(&proofs(1).of(one));
        assert!(proofs(1).is_genuine(one, &given));
        assert!(!proofs(1).is_genuine(other, &given));
        assert!(!proofs(2).is_genuine(one, &given));
        for junk in ["", "zz", &given[1..], &format!("{given}00")] {
            assert!(!proofs(1).is_genuine(one, junk), "{junk}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_events_are_two_looks_and_nobody_elses_wait() {
        let (ear, looker) = pair(Some(proofs(1)));
        let (chatty, calm) = (ObjectId::new(), ObjectId::new());
        let looks: Arc<Mutex<Vec<(ObjectId, Duration)>>> = Arc::default();
        let began = Instant::now();
        let seen = looks.clone();
        let follow = tokio::spawn(looker.follow(move |host| {
            seen.lock().expect("no panic").push((host, began.elapsed()));
            async {}
        }));
        let given = proof(&proofs(1).of(chatty));
        for _ in 0..1000 {
            assert!(ear.hears(chatty, &given));
        }
        assert!(ear.hears(calm, &proof(&proofs(1).of(calm))));
        assert!(!ear.hears(calm, &given));
        tokio::time::sleep(10 * SETTLES).await;
        drop(ear);
        follow.await.expect("it ends when nobody speaks any more");
        let looks = looks.lock().expect("no panic").clone();
        assert_eq!(looks, [(chatty, Duration::ZERO), (calm, Duration::ZERO), (chatty, SETTLES)]);
    }

    #[test]
    fn nobody_is_heard_where_no_address_was_given_out() {
        let (ear, _looker) = pair(None);
        let host = ObjectId::new();
        assert!(!ear.hears(host, &proof(&proofs(1).of(host))));
    }
}
