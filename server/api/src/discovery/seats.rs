//! Who waits now: an agent with a call that is held open until there is work for it.
//!
//! A seat is given up when its call ends, however that comes about. Waking one is cheap and may be done for nothing.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;
use underlay_core::{Mac, ObjectId, identity::score};

use super::register::Found;

/// The most that wait at once; who comes later is sent away for a while.
const MOST: usize = 4096;

/// Everybody who waits.
#[derive(Default)]
pub(super) struct Seats(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    last: u64,
    seats: HashMap<u64, Seat>,
}

/// One who waits.
pub(super) struct Seat {
    pub(super) found: Arc<Found>,
    /// The host it is, as last judged.
    pub(super) host: Option<ObjectId>,
    wake: Arc<Notify>,
}

/// A seat that is taken; given up when dropped.
pub(super) struct Ticket<'a> {
    seats: &'a Seats,
    number: u64,
    found: Arc<Found>,
    wake: Arc<Notify>,
}

impl Seats {
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a seat, where there is one. Those who share something with whoever comes are looked at again.
    pub(super) fn take(&self, found: Arc<Found>) -> Option<Ticket<'_>> {
        let mut taken = self.lock();
        if taken.seats.len() >= MOST {
            return None;
        }
        wake(&taken, |seat| seat.found.traits.touches(&found.traits));
        taken.last += 1;
        let (number, wake) = (taken.last, Arc::new(Notify::new()));
        taken.seats.insert(number, Seat { found: found.clone(), host: None, wake: wake.clone() });
        Some(Ticket { seats: self, number, found, wake })
    }

    /// Wakes those of whom that is true.
    pub(super) fn wake(&self, whom: impl Fn(&Seat) -> bool) {
        wake(&self.lock(), whom);
    }

    /// The NICs over which those booted who wait.
    pub(super) fn macs(&self) -> BTreeSet<Mac> {
        self.lock().seats.values().map(|seat| seat.found.boot_mac).collect()
    }

    /// The hosts whose machines wait.
    pub(super) fn hosts(&self) -> BTreeSet<ObjectId> {
        self.lock().seats.values().filter_map(|seat| seat.host).collect()
    }

    /// How a machine is at odds with another that waits.
    pub(super) fn clash(&self, found: &Arc<Found>) -> Option<String> {
        let taken = self.lock();
        let mut others = taken.seats.values().filter(|seat| !Arc::ptr_eq(&seat.found, found));
        others.find_map(|seat| score::clash(&found.traits, &seat.found.traits))
    }
}

fn wake(taken: &Taken, whom: impl Fn(&Seat) -> bool) {
    taken.seats.values().filter(|seat| whom(seat)).for_each(|seat| seat.wake.notify_one());
}

impl Ticket<'_> {
    /// Waits until somebody wakes it; at once, where somebody has since the last time.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Notes which host it is.
    pub(super) fn judged(&self, host: Option<ObjectId>) {
        if let Some(seat) = self.seats.lock().seats.get_mut(&self.number) {
            seat.host = host;
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        taken.seats.remove(&self.number);
        wake(&taken, |seat| seat.found.traits.touches(&self.found.traits));
    }
}
