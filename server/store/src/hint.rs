//! Hints: who is told that something of theirs may have changed.
//!
//! A hint carries no data and may be missed or doubled; whoever follows it reads the feed or the queue by cursor. What
//! another server changed is not known, only that it did, so then everybody is told.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tokio::sync::watch::{Receiver, Sender};
use underlay_core::{Kind, ObjectId};

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Any object of a kind.
    Kind(Kind),
    /// One object.
    Object(ObjectId),
    /// What the agent on a host is to do.
    Assignment(ObjectId),
    /// When objects are due.
    Queue,
    /// Boot plans, of any host.
    BootPlans,
    /// Brakes.
    Brakes,
}

/// Topics remembered before those nobody waits for any more are thrown out for the first time.
const FEW: usize = 64;

#[derive(Default)]
pub(crate) struct Hints {
    anything: Sender<u64>,
    listeners: Mutex<Listeners>,
}

#[derive(Default)]
struct Listeners {
    by_topic: HashMap<Topic, Vec<Sender<u64>>>,
    /// How many topics there may be before the next clearing.
    limit: usize,
}

impl Hints {
    /// Of anything.
    pub(crate) fn all(&self) -> Receiver<u64> {
        self.anything.subscribe()
    }

    /// Of any of these.
    pub(crate) fn of(&self, topics: &[Topic]) -> Receiver<u64> {
        let (sender, receiver) = tokio::sync::watch::channel(0);
        let mut listeners = self.lock();
        if listeners.by_topic.len() >= listeners.limit.max(FEW) {
            listeners.by_topic.retain(|_, senders| {
                senders.retain(|sender| sender.receiver_count() > 0);
                !senders.is_empty()
            });
            listeners.limit = listeners.by_topic.len() * 2;
        }
        for topic in topics {
            listeners.by_topic.entry(*topic).or_default().push(sender.clone());
        }
        receiver
    }

    /// Tells those who wait for one of these.
    pub(crate) fn tell(&self, topics: &[Topic]) {
        self.anything.send_modify(|count| *count += 1);
        if topics.is_empty() {
            return;
        }
        let mut listeners = self.lock();
        for topic in topics {
            let Some(senders) = listeners.by_topic.get_mut(topic) else { continue };
            senders.retain(wake);
            if senders.is_empty() {
                listeners.by_topic.remove(topic);
            }
        }
    }

    /// Tells everybody.
    pub(crate) fn tell_all(&self) {
        self.anything.send_modify(|count| *count += 1);
        self.lock().by_topic.retain(|_, senders| {
            senders.retain(wake);
            !senders.is_empty()
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Listeners> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes whoever listens there. Does anybody?
fn wake(sender: &Sender<u64>) -> bool {
    sender.send_modify(|count| *count += 1);
    sender.receiver_count() > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_who_wait_for_it_are_told() {
        let hints = Hints::default();
        let (one, other) = (ObjectId::new(), ObjectId::new());
        let (mut all, mut mine) = (hints.all(), hints.of(&[Topic::Object(one), Topic::Kind(Kind::Host)]));
        hints.tell(&[Topic::Object(other), Topic::Queue]);
        assert!(all.has_changed().unwrap() && !mine.has_changed().unwrap());
        all.mark_unchanged();
        for topics in [vec![Topic::Kind(Kind::Host), Topic::Object(other)], vec![Topic::Object(one)]] {
            hints.tell(&topics);
            assert!(mine.has_changed().unwrap(), "{topics:?}");
            mine.mark_unchanged();
        }
        hints.tell_all();
        assert!(all.has_changed().unwrap() && mine.has_changed().unwrap());
    }

    #[test]
    fn who_is_gone_is_forgotten() {
        let hints = Hints::default();
        for _ in 0..FEW * 4 {
            drop(hints.of(&[Topic::Object(ObjectId::new())]));
        }
        assert!(hints.lock().by_topic.len() <= FEW);
    }
}
