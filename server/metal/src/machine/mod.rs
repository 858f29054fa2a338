//! Moves machines: a file per state, one decision each. What a state may do is in its file; the table below only calls.
//!
//! Order of a deployment: [`pending`] finds and claims, [`powering_off`] starts from a known point, [`powering_on`]
//! boots the agent (both are passed over where one waits in the host's RAM: [`waiting`]), [`booting`] waits for it and checks who it is, [`pre_deploy`] does the steps that come first, [`imaging`] follows its work, [`starting`] waits for
//! the installed system, [`post_deploy`] does the steps that come after, [`ready`] rests. [`failed`] rests too; [`replacing`] exchanges a broken host of a pool for
//! another; [`releasing`] lets go. [`adopted`] is the way of a machine that takes its host's system as it stands. [`held`] is what stops them from outside; [`ways`] is how a host is booted, and in which
//! other way if that fails; [`claiming`], [`inheriting`], [`needs`], [`steps`], [`telling`] and [`world`] hold what several of them ask.
//!
//! Invariant: nothing is written to a disk before the agent's identity has matched the enrolment, and what was ready for
//! a generation is never imaged for it again.

mod adopted;
mod booting;
mod claiming;
mod failed;
mod held;
mod imaging;
mod inheriting;
mod needs;
mod pending;
mod post_deploy;
mod powering_off;
mod powering_on;
mod pre_deploy;
mod ready;
mod releasing;
mod replacing;
mod starting;
mod steps;
mod telling;
mod trust;
mod waiting;
mod ways;
mod world;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use underlay_core::{
    Controller, ErrorKind, Failure, Snapshot, Step, View,
    bmc::{Bmcs, CALL_LIMIT, MediaAddress},
    machine::{Machine, State},
};

use crate::step::Runner;

/// How long a state may show no new evidence before it counts as failed.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a BMC to do what it accepted.
    pub power: Duration,
    /// For a person to do it, or whoever is behind a webhook.
    pub person: Duration,
    /// For the agent to call home after power-on.
    pub boot: Duration,
    /// For an agent that waits in a host's RAM to take its token; after that the host is booted as any other.
    pub takeover: Duration,
    /// For the agent to make any progress.
    pub imaging: Duration,
    /// For the installed system to call its one-time URL.
    pub start: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        Self {
            power: minutes(5),
            person: minutes(24 * 60),
            boot: minutes(20),
            takeover: minutes(1),
            imaging: minutes(10),
            start: minutes(30),
        }
    }
}

/// Moves machines towards their specs.
pub struct Machines {
    /// Finds the driver of a host.
    pub bmcs: Arc<dyn Bmcs>,
    /// Where hosts reach the boot endpoint, `http://10.77.0.1:7480`; goes into the seed of what is installed.
    pub boot_url: Arc<dyn BootUrl>,
    /// Where BMCs read the images of boots by virtual media.
    pub media: Arc<dyn MediaAddress>,
    /// Does the steps that the server does itself.
    pub steps: Arc<dyn Runner>,
    /// Deadlines.
    pub patience: Patience,
}

/// Tells where a host reaches the boot endpoint: under QEMU user networking the server has another address than on a
/// boot segment.
pub trait BootUrl: Send + Sync + 'static {
    /// Base URL without a slash at the end.
    fn boot_url(&self, host: &underlay_core::host::Spec) -> String;
}

#[async_trait]
impl Controller for Machines {
    type Noun = Machine;

    async fn step(&self, snapshot: &Snapshot<Machine>, view: &dyn View) -> Result<Step<Machine>, Failure> {
        let mut world = world::World::new(self, snapshot, view);
        let counted;
        if !is_at_rest(snapshot) {
            let hold = match held::hold(&world).await {
                Ok(hold) => hold,
                // Whether a deadline runs is not known then, so none is over.
                Err(failure) if failure.kind == ErrorKind::Transient => return Err(failure),
                Err(failure) => return world.weigh(&failure).ok_or(failure),
            };
            if let Some(moment) = hold.counts_from(snapshot.now) {
                counted = snapshot.clone().counting_from(moment);
                world.snapshot = &counted;
            }
            world.hold = hold;
            if !snapshot.is_deleting()
                && let Some(step) = held::cancelled(&world).await?
            {
                ways::tidy(&world, &step).await;
                steps::tidy(&world, &step);
                return Ok(step);
            }
            if let Some(brake) = &world.hold.brake
                && (snapshot.is_deleting() || held::waits(&snapshot.object.state))
            {
                return Ok(Step::held(world.status(), brake.clone()));
            }
        }
        if snapshot.is_deleting() && !matches!(snapshot.object.state, State::Releasing { .. }) {
            let step = world.leave();
            steps::tidy(&world, &step);
            return Ok(step);
        }
        let decided = match &snapshot.object.state {
            State::Pending => pending::step(&world).await,
            State::PoweringOff { run } => powering_off::step(&world, run).await,
            State::PoweringOn { run } => powering_on::step(&world, run).await,
            State::Booting { run } => booting::step(&world, run).await,
            State::PreDeploy { run, course } => pre_deploy::step(&world, run, course).await,
            State::Imaging { run } => imaging::step(&world, run).await,
            State::Starting { run } => starting::step(&world, run).await,
            State::Adopting { deployed } => adopted::step(&world, deployed).await,
            State::PostDeploy { run, course } => post_deploy::step(&world, run, course).await,
            State::Ready { deployed } => ready::step(&world, deployed).await,
            State::Failed { deployed, generation, .. } => {
                Ok(failed::step(&world, deployed.as_ref(), *generation))
            }
            State::Replacing { run, failure } => replacing::step(&world, run, failure).await,
            State::Releasing { host } => releasing::step(&world, *host).await,
        };
        let decided = match decided {
            Err(failure) => world.weigh(&failure).ok_or(failure),
            decided => decided,
        };
        if let Ok(decided) = &decided {
            ways::tidy(&world, decided).await;
            steps::tidy(&world, decided);
        }
        decided
    }

    fn step_limit(&self) -> Duration {
        // No state makes more than four driver calls in one step, and one more where it ends badly.
        5 * CALL_LIMIT + Duration::from_secs(30)
    }
}

/// Is there nothing that a brake could hold back?
fn is_at_rest(snapshot: &Snapshot<Machine>) -> bool {
    !snapshot.is_deleting() && matches!(snapshot.object.state, State::Ready { .. } | State::Failed { .. })
}
