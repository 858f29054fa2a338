//! Moves pools: gives free hosts to the machines that want one, all who wait in one step and one transaction.
//!
//! Only a pool's own controller gives out its hosts, so two machines never race for one, and a machine that waits knows
//! why: the pool's status keeps the answers of those who got none.

mod grant;

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use underlay_core::{
    Controller, Failure, Snapshot, Step, View,
    pool::{Pool, State},
};

/// Moves pools.
pub struct Pools;

#[async_trait]
impl Controller for Pools {
    type Noun = Pool;

    async fn step(&self, snapshot: &Snapshot<Pool>, view: &dyn View) -> Result<Step<Pool>, Failure> {
        let status = snapshot.object.status.clone();
        if snapshot.is_deleting() {
            return Ok(Step::gone(status));
        }
        match snapshot.object.state {
            State::Pending => Ok(Step::advance(status, State::Open)),
            State::Open => grant::step(snapshot, view).await,
        }
    }
}
