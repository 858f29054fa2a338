//! Freezes in hand: put and lifted at once, asked as the store is asked.

use std::sync::Mutex;

use async_trait::async_trait;
use jiff::Timestamp;
use underlay_core::{
    Brake, Brakes,
    brake::{Hold, Kind, Reach, Scope},
    view,
};

/// The brakes of a rack.
#[derive(Default)]
pub(crate) struct FakeBrakes(Mutex<Vec<(Brake, Option<Timestamp>)>>);

impl FakeBrakes {
    pub(crate) fn put(&self, reach: Reach, since: Timestamp) {
        let brake =
            Brake { kind: Kind::Freeze, reach, by: "ops".into(), since, reason: "switch work".into() };
        self.0.lock().expect("no test panicked with it").push((brake, None));
    }

    /// Does any stand?
    pub(crate) fn stand(&self) -> bool {
        self.0.lock().expect("no test panicked with it").iter().any(|(_, lifted)| lifted.is_none())
    }

    pub(crate) fn lift(&self, now: Timestamp) {
        for (_, lifted) in self.0.lock().expect("no test panicked with it").iter_mut() {
            lifted.get_or_insert(now);
        }
    }
}

#[async_trait]
impl Brakes for FakeBrakes {
    async fn hold(&self, scope: &Scope) -> Result<Hold, view::Error> {
        let brakes = self.0.lock().expect("no test panicked with it");
        let over = || brakes.iter().filter(|(brake, _)| brake.reach.covers(scope));
        Ok(Hold {
            brake: over().find(|(_, lifted)| lifted.is_none()).map(|(brake, _)| brake.clone()),
            lifted_at: over().filter_map(|(_, lifted)| *lifted).max(),
        })
    }
}
