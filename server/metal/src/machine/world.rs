//! What a state of a machine sees and the few questions all of them ask: the host, its driver, whether patience is over.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use underlay_core::{
    Effect, ErrorKind, Failure, Name, Object, ObjectId, Snapshot, Step, View,
    bmc::{self, Bmc, Power, Target},
    brake::Hold,
    host::{self, Driver, Host},
    machine::{Deployed, Machine, Run, State, Status},
    observation::{Body, Observation, Source},
    pool::Trust,
    view,
};

use super::{Machines, trust};

/// How soon a wait is looked at again when nothing wakes it.
pub(super) const SOON: Duration = Duration::from_secs(2);
/// How often a wait that is woken by observations is looked at all the same.
pub(super) const LATER: Duration = Duration::from_secs(30);

/// For how long a program behind a webhook is looked at as often as a BMC is.
const PROGRAM: Duration = Duration::from_secs(60);

/// How long an agent may take from power-on to its call home.
pub(super) const TOKEN_LIFE: SignedDuration = SignedDuration::from_secs(3600);

pub(super) struct World<'a> {
    pub(super) machines: &'a Machines,
    pub(super) snapshot: &'a Snapshot<Machine>,
    pub(super) view: &'a dyn View,
    /// How brakes stand over it; not asked of a machine at rest.
    pub(super) hold: Hold,
    /// The host that was read last: a step needs but one, and sees it at one moment.
    read: OnceLock<Object<Host>>,
    /// What the pool of that host trusts.
    trust: OnceLock<Trust>,
}

impl<'a> World<'a> {
    pub(super) fn new(machines: &'a Machines, snapshot: &'a Snapshot<Machine>, view: &'a dyn View) -> Self {
        Self {
            machines,
            snapshot,
            view,
            hold: Hold::default(),
            read: OnceLock::new(),
            trust: OnceLock::new(),
        }
    }
}

impl World<'_> {
    /// The name of the machine, for texts.
    pub(super) fn name(&self) -> &str {
        self.snapshot.object.meta.key.name.as_str()
    }

    pub(super) fn spec(&self) -> &underlay_core::machine::Spec {
        &self.snapshot.object.spec
    }

    pub(super) fn status(&self) -> Status {
        self.snapshot.object.status.clone()
    }

    pub(super) fn generation(&self) -> i64 {
        self.snapshot.object.meta.generation
    }

    /// The epoch of a boot that begins now: later than any other of this machine.
    pub(super) fn next_epoch(&self) -> i64 {
        self.snapshot.now.as_microsecond().max(self.snapshot.object.status.epoch + 1)
    }

    /// The newest thing `source` saw of the host.
    pub(super) async fn observed(
        &self,
        host: ObjectId,
        source: Source,
    ) -> Result<Option<Observation>, Failure> {
        self.view.observation(host, source).await.map_err(|error| self.unreadable(&error))
    }

    /// The host of a deployment; its absence is a failure, because a claimed host cannot be deleted.
    pub(super) async fn host(&self, id: ObjectId) -> Result<Object<Host>, Failure> {
        self.find_host(id).await?.ok_or_else(|| {
            Failure::new(
                ErrorKind::Permanent,
                format!("machine {}: its host", self.name()),
                format!("host {id} is not there any more"),
                "nothing was touched",
                "name a host that exists and apply again",
            )
        })
    }

    /// What the pool of the host trusts that was read last.
    pub(super) fn trust(&self) -> Trust {
        self.trust.get().copied().unwrap_or_default()
    }

    /// A host by its id, if it is there; of its ways to boot, those that its pool trusts.
    pub(super) async fn find_host(&self, id: ObjectId) -> Result<Option<Object<Host>>, Failure> {
        if let Some(host) = self.read.get().filter(|host| host.meta.id == id) {
            return Ok(Some(host.clone()));
        }
        let raw = self.view.by_id(id).await.map_err(|error| self.unreadable(&error))?;
        let host =
            raw.map(|raw| raw.decode::<Host>()).transpose().map_err(|error| self.unreadable(&error))?;
        let Some(mut host) = host else { return Ok(None) };
        let trust = trust::of(self.view, &host).await.map_err(|error| self.unreadable(&error))?;
        trust.narrow(&mut host.spec.boot);
        self.trust.set(trust).ok();
        self.read.set(host.clone()).ok();
        Ok(Some(host))
    }

    /// Was it held back in its present state for so long that the one-time token for the agent's boot is void, or
    /// about to be?
    pub(super) fn has_outlived_its_token(&self) -> bool {
        let since = self.snapshot.object.progress.since;
        let held = self.hold.lifted_at.is_some_and(|lifted| lifted > since);
        held && self.snapshot.now.duration_since(since) > TOKEN_LIFE / 2
    }

    /// Was there no server for a part of this deployment? Whoever asked for something then got no answer.
    pub(super) fn was_away(&self, run: &Run) -> bool {
        Timestamp::from_microsecond(run.epoch).is_ok_and(|began| self.snapshot.awake_since > began)
    }

    /// Begin a boot again that nobody may have answered: firmware that finds no server gives up, and the host stands still
    /// for ever. The boot that follows is this server's own, so this happens once.
    #[track_caller]
    pub(super) fn boot_again(&self, run: &Run) -> Step<Machine> {
        let text =
            "the server was away while the host booted, and no agent came; starting the boot over".into();
        withdrawn(Step::advance(self.status(), State::Pending), run.host).with(Effect::Note { text })
    }

    /// Begin again, with an epoch and a token of its own for another boot: of the agent of this one, should it be up,
    /// nobody knows whether it can still call.
    #[track_caller]
    pub(super) fn boot_anew(&self, run: &Run) -> Step<Machine> {
        let text = "it was held back for so long that its boot token is void; starting the boot over".into();
        withdrawn(Step::advance(self.status(), State::Pending), run.host).with(Effect::Note { text })
    }

    /// For how long `host` may take to switch: a person has their own pace.
    pub(super) fn power_patience(&self, host: &Object<Host>) -> Duration {
        let patience = self.machines.patience;
        match host.spec.driver {
            Driver::Manual(_) => patience.person,
            _ => patience.power,
        }
    }

    /// For how long the token for the boot of `host` is good: it is to be there when the host comes up.
    pub(super) fn token_life(&self, host: &Object<Host>) -> SignedDuration {
        match host.spec.driver {
            Driver::Manual(_) => TOKEN_LIFE
                .saturating_add(SignedDuration::try_from(self.power_patience(host)).unwrap_or_default()),
            _ => TOKEN_LIFE,
        }
    }

    /// Wait for `host` to switch `power`, to start from `boot`, and look again so soon. Whoever does that by hand is named
    /// in place of `reason`, says when it is done, and need not be looked at every other second.
    #[track_caller]
    pub(super) fn switching(
        &self,
        host: &Object<Host>,
        (power, boot): (Power, Option<Target>),
        reason: String,
        again: Duration,
    ) -> Step<Machine> {
        let Some(somebody) = host::awaited(host, power, boot) else {
            return Step::wait(self.status(), reason, again);
        };
        // There may be a program behind a webhook, which takes seconds.
        let may_be_quick = matches!(&host.spec.driver, Driver::Manual(manual) if manual.webhook.is_some())
            && !self.snapshot.has_lasted(PROGRAM);
        Step::wait(self.status(), somebody, if may_be_quick { again } else { again.max(LATER) })
    }

    /// The driver of `host`.
    pub(super) async fn bmc(&self, host: &Object<Host>) -> Result<Arc<dyn Bmc>, Failure> {
        self.machines
            .bmcs
            .bmc(host, self.view)
            .await
            .map_err(|error| self.driver_failed(host, "finding its driver", &error))
    }

    /// A failed driver call in four parts.
    pub(super) fn driver_failed(&self, host: &Object<Host>, step: &str, error: &bmc::Error) -> Failure {
        let name = &host.meta.key.name;
        Failure::new(
            error.kind(),
            format!("machine {}: {step} on host {name}", self.name()),
            underlay_core::because(error),
            "nothing was written to a disk by this step",
            format!("check the driver: underlay power observe host/{name}"),
        )
    }

    /// The store could not be read; always tried again unless what is stored is broken.
    pub(super) fn unreadable(&self, error: &view::Error) -> Failure {
        Failure::new(
            error.kind(),
            format!("machine {}: reading the store", self.name()),
            underlay_core::because(error),
            "nothing was touched",
            "see the server's log",
        )
    }

    /// Two agents brought the token of this boot, and nobody knows which of them is the host's.
    pub(super) async fn intruder(
        &self,
        run: &Run,
        host: &Name,
        done: &str,
    ) -> Result<Option<Failure>, Failure> {
        let seen = self.observed(run.host, Source::Intruder).await?;
        let Some(Body::Intruder { epoch, key, address }) = seen.map(|seen| seen.body) else {
            return Ok(None);
        };
        Ok((epoch == run.epoch).then(|| {
            Failure::new(
                ErrorKind::Permanent,
                format!("machine {}: trusting the agent on host {host}", self.name()),
                format!("its one-time token was brought twice; the second time by key {key} from {address}"),
                done,
                format!(
                    "find out what sits on that segment, see underlay explain host/{host}, then apply again"
                ),
            )
        }))
    }

    /// How soon to look again at something that may take until `patience` ends: its end is not slept through.
    pub(super) fn later(&self, patience: Duration) -> Duration {
        self.snapshot.look_within(LATER, patience)
    }

    /// A step that came to no decision is tried again while that is worth it and patience lasts (`None`); after that the
    /// deployment fails.
    pub(super) fn weigh(&self, failure: &Failure) -> Option<Step<Machine>> {
        let patience = self.machines.patience;
        let (run, patience, disk) = match &self.snapshot.object.state {
            State::PoweringOff { run } | State::PoweringOn { run } => {
                let patience = self.read.get().map_or(patience.power, |host| self.power_patience(host));
                (run, patience, Disk::Untouched)
            }
            State::Booting { run } => (run, patience.boot, Disk::Untouched),
            // Each of them has its own time, and a store that is away for long ends none.
            State::PreDeploy { run, .. } | State::PostDeploy { run, .. } => {
                (run, Duration::MAX, Disk::Untouched)
            }
            State::Imaging { run } => (run, patience.imaging, Disk::Touched),
            State::Starting { run } => (run, patience.start, Disk::Touched),
            State::Pending
            | State::Adopting { .. }
            | State::Ready { .. }
            | State::Failed { .. }
            | State::Replacing { .. }
            | State::Releasing { .. } => return None,
        };
        let worth_it = failure.kind == ErrorKind::Transient && !self.snapshot.is_stalled(patience);
        // A BMC that kept failing for as long as that is no better than a broken host.
        let blamed = || match failure.kind {
            ErrorKind::Transient => failure.clone().blaming_host(),
            _ => failure.clone(),
        };
        (!worth_it).then(|| self.give_up(run, blamed(), disk))
    }

    /// Fail: the host is kept, so that a person can look at it, and nothing is served to it any more. Where the spec
    /// has changed meanwhile, that is tried instead.
    ///
    /// A host that a pool gave, that is at fault itself and on which nothing was ever ready, is exchanged for another.
    #[track_caller]
    pub(super) fn give_up(&self, run: &Run, failure: Failure, disk: Disk) -> Step<Machine> {
        let exchangeable = self.spec().require.is_some() && run.previous.is_none();
        if failure.blames_host && exchangeable && !self.is_outdated(run) {
            let mut status = self.status();
            status.deployed = None;
            let next = State::Replacing { run: run.clone(), failure };
            return withdrawn(Step::advance(status, next), run.host);
        }
        self.stand(run, failure, disk)
    }

    /// Fail, or start over where the spec has changed, whoever is at fault.
    #[track_caller]
    pub(super) fn stand(&self, run: &Run, failure: Failure, disk: Disk) -> Step<Machine> {
        if self.is_outdated(run) {
            let mut status = self.status();
            status.deployed = left_on(run, disk);
            let text = format!("{failure} The spec has changed since; starting over");
            return withdrawn(Step::advance(status, State::Pending), run.host).with(Effect::Note { text });
        }
        self.fail(run, failure, disk)
    }

    /// Fail, whatever the spec wants by now.
    #[track_caller]
    pub(super) fn fail(&self, run: &Run, failure: Failure, disk: Disk) -> Step<Machine> {
        let mut status = self.status();
        let deployed = left_on(run, disk);
        status.deployed.clone_from(&deployed);
        let next = State::Failed { run: Some(run.clone()), deployed, generation: self.generation() };
        withdrawn(Step::failed(status, next, failure), run.host)
    }

    /// Has the spec moved on since this deployment began, so that its target is no longer wanted?
    pub(super) fn is_outdated(&self, run: &Run) -> bool {
        let (spec, target) = (self.spec(), &run.target);
        self.generation() > run.generation
            && (!spec.stays_on(&target.host_name)
                || target.redeploy_generation != spec.redeploy.generation
                || !target.is_of(spec))
    }

    /// Start over from the spec as it is now; the claim is kept.
    #[track_caller]
    pub(super) fn start_over(&self, run: &Run) -> Step<Machine> {
        let text = "the spec changed before anything was written; starting over".into();
        withdrawn(Step::advance(self.status(), State::Pending), run.host).with(Effect::Note { text })
    }

    /// Deletion is wanted: find out which host is to be let go, and serve it nothing from now on.
    pub(super) fn leave(&self) -> Step<Machine> {
        let object = &self.snapshot.object;
        let running = object.state.run().map(|run| run.host);
        let host = running.or(object.state.deployed().map(|deployed| deployed.host)).or(object.status.host);
        let step = Step::advance(self.status(), State::Releasing { host });
        match host {
            Some(host) => withdrawn(step, host),
            None => step,
        }
    }
}

/// What a deployment that ends here leaves on the disk.
fn left_on(run: &Run, disk: Disk) -> Option<Deployed> {
    match disk {
        Disk::Untouched => run.previous.as_deref().cloned(),
        Disk::Touched => None,
    }
}

/// The same step, after which `host` is served nothing and its agent has nothing to do.
pub(super) fn withdrawn(step: Step<Machine>, host: ObjectId) -> Step<Machine> {
    step.with(Effect::DropBootPlans { host })
        .with(Effect::RevokeTokens { host })
        .with(Effect::Unassign { host })
}

/// Does this deployment write nothing, because what it is to bring is on the disk already? It starts that again.
pub(super) fn starts_again(run: &Run) -> bool {
    run.previous.as_deref() == Some(&run.target)
}

/// What a failed deployment has done to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disk {
    /// Not a byte was written: what was there is there.
    Untouched,
    /// What was there is lost, or may be.
    Touched,
}
