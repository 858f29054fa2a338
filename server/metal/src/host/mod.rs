//! Moves hosts: enrolling, available, tended, quarantined, leaving; a file per state.
//!
//! A host's controller only ever observes a host that a machine has: power and boot belong to that machine. It switches and
//! boots a host only while that holds its own claim (see [`tended`]).

mod aside;
mod available;
mod enrolling;
mod facts;
mod leaving;
mod own_password;
mod quarantined;
mod tended;
mod wished;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use underlay_core::{
    Controller, Failure, Snapshot, Step, View,
    bmc::{Bmcs, CALL_LIMIT, MediaAddress},
    host::{Host, State},
};

use crate::machine::{BootUrl, Patience};

/// Moves hosts towards their specs.
pub struct Hosts {
    /// Finds the driver of a host.
    pub bmcs: Arc<dyn Bmcs>,
    /// When an idle host's driver is asked whether it still answers.
    pub audits: Arc<dyn Audits>,
    /// Where hosts reach the boot endpoint.
    pub boot_url: Arc<dyn BootUrl>,
    /// Where BMCs read the images of boots by virtual media.
    pub media: Arc<dyn MediaAddress>,
    /// Deadlines.
    pub patience: Patience,
}

/// Tells how long an idle host is left alone.
pub trait Audits: Send + Sync + 'static {
    /// For so long from now.
    fn next(&self) -> Duration;
}

impl Audits for Duration {
    fn next(&self) -> Duration {
        *self
    }
}

#[async_trait]
impl Controller for Hosts {
    type Noun = Host;

    async fn step(&self, snapshot: &Snapshot<Host>, view: &dyn View) -> Result<Step<Host>, Failure> {
        if snapshot.is_deleting() {
            return leaving::step(self, snapshot, view).await;
        }
        match &snapshot.object.state {
            State::Enrolling => enrolling::step(self, snapshot, view).await,
            State::Available => available::step(self, snapshot, view).await,
            State::Tended { tending } => tended::step(self, snapshot, view, tending).await,
            State::Quarantined { failure, .. } => quarantined::step(snapshot, view, failure).await,
            State::Leaving => leaving::step(self, snapshot, view).await,
        }
    }

    fn step_limit(&self) -> Duration {
        // No state makes more than five driver calls in one step.
        5 * CALL_LIMIT + Duration::from_secs(30)
    }
}
