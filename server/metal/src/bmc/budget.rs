//! How often the power of a host may be changed: a loop somewhere above must not wear out a box, nor take its disks down
//! with it.
//!
//! Kept for each host behind a BMC, in memory: a restarted server begins with a full budget. A wish that is repeated
//! while it comes true is one change. What is refused is said to be busy, so that it is asked again when there is budget.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use underlay_core::{
    ObjectId,
    bmc::{Error, Power},
};

/// So many changes in an [`HOUR`]: a deployment makes two, and a person at work on a host a few more.
pub(super) const CHANGES: usize = 20;
/// The time in which they count.
const HOUR: Duration = Duration::from_secs(3600);
/// The same wish again within this time is the same change.
const SAME: Duration = Duration::from_secs(60);

/// What is left of the budgets behind one BMC.
pub(super) struct Budget {
    changes: usize,
    spent: Mutex<HashMap<ObjectId, VecDeque<(Instant, Power)>>>,
}

impl Budget {
    /// So many changes in an hour for each host.
    pub(super) fn new(changes: usize) -> Self {
        Self { changes, spent: Mutex::default() }
    }

    /// Take one change of `host` from its budget.
    ///
    /// # Errors
    /// [`Error::Busy`] when there is none left.
    pub(super) fn spend(&self, address: &str, host: ObjectId, power: Power) -> Result<(), Error> {
        let now = Instant::now();
        let mut all = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody is remembered for longer than it counts: there are no more entries than changes in an hour.
        all.retain(|_, spent| {
            spent.retain(|(at, _)| now.duration_since(*at) < HOUR);
            !spent.is_empty()
        });
        let spent = all.entry(host).or_default();
        let is_same = |(at, before): &(Instant, Power)| *before == power && now.duration_since(*at) < SAME;
        if spent.back().is_some_and(is_same) {
            return Ok(());
        }
        if spent.len() < self.changes {
            spent.push_back((now, power));
            return Ok(());
        }
        let first = spent.front().map_or(now, |(at, _)| *at);
        let minutes = (HOUR.saturating_sub(now.duration_since(first)).as_secs() / 60) + 1;
        Err(Error::Busy {
            address: address.to_owned(),
            why: format!(
                "the budget of {} power changes in an hour is spent for this host; there is more in {minutes} min",
                self.changes
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    /// How many changes, one a minute, go through before one does not.
    async fn granted(budget: &Budget, host: ObjectId) -> usize {
        for count in 0.. {
            let power = if count % 2 == 0 { Power::Off } else { Power::On };
            if let Err(error) = budget.spend("bmc-1", host, power) {
                assert!(
                    matches!(&error, Error::Busy { why, .. } if why.contains("20 power changes")),
                    "{error}"
                );
                return count;
            }
            advance(Duration::from_secs(60)).await;
        }
        unreachable!("there is an end");
    }

    #[tokio::test(start_paused = true)]
    async fn twenty_changes_in_an_hour_and_no_more() {
        let (budget, host) = (Budget::new(CHANGES), ObjectId::new());
        assert_eq!(granted(&budget, host).await, CHANGES);
        assert_eq!(granted(&budget, host).await, 0, "the next one is refused as well");
        assert_eq!(granted(&budget, ObjectId::new()).await, CHANGES, "another host has its own");
        advance(HOUR).await;
        assert_eq!(granted(&budget, host).await, CHANGES, "an hour later");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wish_that_is_repeated_until_it_is_true_is_one_change() {
        let (budget, host) = (Budget::new(1), ObjectId::new());
        for _ in 0..25 {
            budget.spend("bmc-1", host, Power::Off).expect("the same change");
            advance(Duration::from_secs(2)).await;
        }
        budget.spend("bmc-1", host, Power::On).expect_err("another change");
        advance(SAME).await;
        budget.spend("bmc-1", host, Power::Off).expect_err("so late, it is another one");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_remembered_for_longer_than_an_hour() {
        let budget = Budget::new(CHANGES);
        for _ in 0..100 {
            budget.spend("bmc-1", ObjectId::new(), Power::On).expect("each has its own");
        }
        advance(HOUR).await;
        budget.spend("bmc-1", ObjectId::new(), Power::On).expect("another");
        assert_eq!(budget.spent.lock().expect("whole").len(), 1);
    }
}
