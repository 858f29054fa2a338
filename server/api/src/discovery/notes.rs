//! What was last written of whom, so that nothing is written twice: of a host, that its machine waits or that another
//! resembles it; of a machine without a host, what it is.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;
use underlay_core::{Mac, ObjectId};

/// What has not changed is written again after this long: well within what an observation is believed for.
const REFRESH: Duration = Duration::from_secs(600);
/// Who has not been heard of for this long is gone: an agent that is alive calls again within seconds.
const GONE: Duration = Duration::from_secs(90);
/// The most machines without a host that are remembered here; of the others more is written than need be.
const MOST: usize = 10_000;

/// What was written.
#[derive(Default)]
pub(super) struct Notes(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    waiting: HashMap<ObjectId, Note>,
    doubts: HashMap<ObjectId, Note>,
    discovered: HashMap<Mac, Note>,
}

struct Note {
    /// What was written, or a digest of it.
    what: String,
    /// Since when that, or something like it, is so.
    since: Timestamp,
    written: Instant,
    heard: Instant,
}

/// Is there anything to write?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// It was written, and not long ago.
    None,
    /// Nothing like it was written yet.
    First,
    /// Something else was, or the same long ago. It is so since then.
    Since(Timestamp),
}

impl Notes {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The machine of a host waits, and is as `what` says.
    pub(super) fn waits(&self, host: ObjectId, what: &str, now: Timestamp) -> News {
        note(&mut self.lock().waiting, host, what, now)
    }

    /// Another machine resembles a host.
    pub(super) fn doubts(&self, host: ObjectId, why: &str, now: Timestamp) -> News {
        note(&mut self.lock().doubts, host, why, now)
    }

    /// A machine without a host is as `what` says.
    pub(super) fn discovered(&self, mac: Mac, what: &str, now: Timestamp) -> News {
        let mut kept = self.lock();
        if kept.discovered.len() >= MOST && !kept.discovered.contains_key(&mac) {
            kept.discovered.retain(|_, note| note.heard.elapsed() < GONE);
        }
        if kept.discovered.len() >= MOST && !kept.discovered.contains_key(&mac) {
            return News::First;
        }
        note(&mut kept.discovered, mac, what, now)
    }

    /// What was to be written was not.
    pub(super) fn unwritten(&self, host: ObjectId) {
        let mut kept = self.lock();
        kept.waiting.remove(&host);
        kept.doubts.remove(&host);
    }

    /// The same, of a machine without a host.
    pub(super) fn unlisted(&self, mac: Mac) {
        self.lock().discovered.remove(&mac);
    }

    /// The machine of a host waits no more. Was that written?
    pub(super) fn left(&self, host: ObjectId) -> bool {
        self.lock().waiting.remove(&host).is_some()
    }

    /// Nobody resembles a host any more. Was that written?
    pub(super) fn settled(&self, host: ObjectId) -> bool {
        self.lock().doubts.remove(&host).is_some()
    }

    /// A host is gone.
    pub(super) fn forget(&self, host: ObjectId) {
        self.unwritten(host);
    }

    /// Hosts whose machines were waiting and have not been heard of, and those that nobody has been heard to resemble.
    /// `present` have a machine that waits now.
    pub(super) fn gone(&self, present: impl IntoIterator<Item = ObjectId>) -> (Vec<ObjectId>, Vec<ObjectId>) {
        let mut kept = self.lock();
        for host in present {
            if let Some(note) = kept.waiting.get_mut(&host) {
                note.heard = Instant::now();
            }
        }
        let silent = |notes: &HashMap<ObjectId, Note>| {
            notes.iter().filter(|(_, note)| note.heard.elapsed() >= GONE).map(|(id, _)| *id).collect()
        };
        (silent(&kept.waiting), silent(&kept.doubts))
    }
}

fn note<K: Eq + Hash>(notes: &mut HashMap<K, Note>, of: K, what: &str, now: Timestamp) -> News {
    let (written, heard) = (Instant::now(), Instant::now());
    match notes.get_mut(&of) {
        None => {
            notes.insert(of, Note { what: what.to_owned(), since: now, written, heard });
            News::First
        }
        Some(note) => {
            note.heard = heard;
            if note.what == what && note.written.elapsed() < REFRESH {
                return News::None;
            }
            note.what = what.to_owned();
            note.written = written;
            News::Since(note.since)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_has_not_changed_is_not_written_again_for_a_while() {
        let (notes, host, now) = (Notes::default(), ObjectId::new(), Timestamp::UNIX_EPOCH);
        assert_eq!(notes.waits(host, "a", now), News::First);
        for _ in 0..9 {
            tokio::time::advance(Duration::from_secs(60)).await;
            assert_eq!(notes.waits(host, "a", Timestamp::MAX), News::None);
        }
        assert_eq!(notes.waits(host, "b", Timestamp::MAX), News::Since(now));
        tokio::time::advance(REFRESH).await;
        assert_eq!(notes.waits(host, "b", Timestamp::MAX), News::Since(now));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_silent_is_gone_after_a_while_and_who_waits_never_is() {
        let (notes, now) = (Notes::default(), Timestamp::UNIX_EPOCH);
        let (here, away) = (ObjectId::new(), ObjectId::new());
        notes.waits(here, "a", now);
        notes.waits(away, "a", now);
        notes.doubts(away, "a clone", now);
        tokio::time::advance(GONE).await;
        assert_eq!(notes.gone([here]), (vec![away], vec![away]));
        assert!(notes.left(away) && !notes.left(away) && notes.settled(away));
        assert_eq!(notes.gone([here]), (vec![], vec![]));
    }

    #[tokio::test]
    async fn a_flood_of_machines_does_not_grow_the_memory() {
        let notes = Notes::default();
        for number in 0..20_000_u32 {
            let [a, b, c, d] = number.to_be_bytes();
            notes.discovered(Mac([2, 0, a, b, c, d]), "a", Timestamp::UNIX_EPOCH);
        }
        assert!(notes.lock().discovered.len() <= MOST);
    }
}
