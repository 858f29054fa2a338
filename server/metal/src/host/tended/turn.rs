//! What every stage of a tending asks: the driver, the way to boot, whether patience is over.

use std::{sync::Arc, time::Duration};

use underlay_core::{
    Effect, ErrorKind, Failure, Snapshot, Step, View,
    agent::{Assignment, Task},
    bmc::{self, Bmc, Power, Target},
    host::{self, BootMethod, Driver, Host, Stage, State, Status, Tending},
};

use super::super::{Hosts, aside};

/// How soon a wait is looked at again when nothing wakes it.
pub(super) const SOON: Duration = Duration::from_secs(2);
/// How often a wait that is woken by observations is looked at all the same.
pub(super) const LATER: Duration = Duration::from_secs(30);

pub(super) struct Turn<'a> {
    pub(super) hosts: &'a Hosts,
    pub(super) snapshot: &'a Snapshot<Host>,
    pub(super) view: &'a dyn View,
    pub(super) tending: &'a Tending,
    pub(super) status: Status,
}

impl Turn<'_> {
    pub(super) fn name(&self) -> &str {
        self.snapshot.object.meta.key.name.as_str()
    }

    /// Goes on with another stage.
    #[track_caller]
    pub(super) fn to(&self, stage: Stage) -> Step<Host> {
        Step::advance(self.status.clone(), State::Tended { tending: self.tending.at(stage) })
    }

    /// Waits to be woken, or for the end of `patience`.
    #[track_caller]
    pub(super) fn wait(&self, reason: String, patience: Duration) -> Step<Host> {
        Step::wait(self.status.clone(), reason, self.snapshot.look_within(LATER, patience))
    }

    /// Waits for the host to switch.
    #[track_caller]
    pub(super) fn switching(&self, power: Power, boot: Option<Target>) -> Step<Host> {
        let word = if power == Power::On { "on" } else { "off" };
        match host::awaited(&self.snapshot.object, power, boot) {
            Some(somebody) => Step::wait(self.status.clone(), somebody, LATER),
            None => Step::wait(self.status.clone(), format!("it to switch {word}"), SOON),
        }
    }

    pub(super) async fn bmc(&self) -> Result<Arc<dyn Bmc>, Failure> {
        let found = self.hosts.bmcs.bmc(&self.snapshot.object, self.view).await;
        found.map_err(|error| self.driver_failed("finding its driver", &error))
    }

    /// A failed driver call in four parts.
    pub(super) fn driver_failed(&self, step: &str, error: &bmc::Error) -> Failure {
        Failure::new(
            error.kind(),
            format!("host {}: {step}", self.name()),
            underlay_core::because(error),
            "no machine gets it",
            format!(
                "mend its driver (underlay power observe host/{0}), then: underlay host repair {0}",
                self.name()
            ),
        )
    }

    /// Something went wrong that somebody has to look at.
    pub(super) fn failure(&self, doing: &str, why: impl Into<String>, done: &str) -> Failure {
        let name = self.name();
        Failure::new(
            ErrorKind::Permanent,
            format!("host {name}: {doing}"),
            why,
            done,
            format!("see underlay explain host/{name}; when it is mended: underlay host repair {name}"),
        )
    }

    /// For how long it may take to switch: a person has their own pace.
    pub(super) fn power_patience(&self) -> Duration {
        match self.snapshot.object.spec.driver {
            Driver::Manual(_) => self.hosts.patience.person,
            _ => self.hosts.patience.power,
        }
    }

    /// The way by which it is booted this time.
    pub(super) fn method(&self) -> BootMethod {
        let methods = &self.snapshot.object.spec.boot.methods;
        let attempt = usize::try_from(self.tending.attempt).unwrap_or(usize::MAX);
        methods.get(attempt).or(methods.last()).copied().unwrap_or(BootMethod::Pxe)
    }

    /// What it starts from this time.
    pub(super) fn target(&self) -> Target {
        match self.method() {
            BootMethod::Pxe => Target::NetworkOnce,
            BootMethod::Http => Target::HttpOnce,
            BootMethod::VirtualMedia => Target::MediaOnce,
        }
    }

    /// Goes on with the next of its ways to boot; sets the host aside where there is none.
    #[track_caller]
    pub(super) fn fall_back(&self, why: String) -> Step<Host> {
        let attempt = self.tending.attempt + 1;
        let has_another = usize::try_from(attempt)
            .is_ok_and(|attempt| self.snapshot.object.spec.boot.methods.len() > attempt);
        if !has_another {
            let done = "nothing was wiped; the host is left as it is, and no machine gets it";
            return self.give_up(self.failure("starting the agent", why, done).blaming_host());
        }
        let host = self.snapshot.object.meta.id;
        let epoch = self.snapshot.now.as_microsecond().max(self.tending.epoch + 1);
        let tending = Tending { epoch, attempt, ..self.tending.at(Stage::SwitchOff) };
        let stay = Assignment { host, on_behalf_of: host, epoch, task: Task::Stay };
        let step = self.withdrawn(Step::advance(self.status.clone(), State::Tended { tending }));
        step.with(Effect::Assign(stay)).with(Effect::Note { text: format!("{why}; trying another way") })
    }

    /// Sets the host aside, and serves it nothing any more.
    #[track_caller]
    pub(super) fn give_up(&self, failure: Failure) -> Step<Host> {
        self.withdrawn(aside::set_aside(self.snapshot, self.status.clone(), failure))
    }

    /// The same step, after which the host is served nothing and its agent has nothing to do.
    pub(super) fn withdrawn(&self, step: Step<Host>) -> Step<Host> {
        let host = self.snapshot.object.meta.id;
        step.with(Effect::DropBootPlans { host })
            .with(Effect::RevokeTokens { host })
            .with(Effect::Unassign { host })
    }

    /// A step that came to no decision is tried again while that is worth it and patience lasts.
    pub(super) fn weigh(&self, failure: Failure) -> Result<Step<Host>, Failure> {
        let patience = match self.tending.stage {
            Stage::SwitchOff | Stage::SwitchOn | Stage::Finish => self.power_patience(),
            Stage::Boot => self.hosts.patience.boot,
            Stage::Wipe => self.hosts.patience.imaging,
        };
        if failure.kind == ErrorKind::Transient && !self.snapshot.is_stalled(patience) {
            return Err(failure);
        }
        Ok(self.give_up(failure.blaming_host()))
    }
}
