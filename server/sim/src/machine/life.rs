//! From power-on to rest: POST, a boot source, what it starts, again after each restart. Ends when the installed system
//! runs or nothing goes on; switching off ends it at any point.
//!
//! A life that was ended may still be on its way to where it notices; what it says then is not heard, because the
//! machine counts its lives.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    Machine, Power, Stage, State,
    boot_order::{Enabled, Override, Source},
};
use crate::{
    agent,
    boot::{self, firmware},
    rack::Rack,
    system,
};

/// One machine between power-on and power-off.
#[derive(Debug)]
pub struct Life {
    /// Where it stands.
    pub rack: Arc<Rack>,
    /// Which machine.
    pub machine: Arc<Machine>,
    pub(super) number: u32,
}

/// How a boot went on.
enum Next {
    /// Through the firmware again.
    Again,
    /// The machine switched itself off.
    Off,
    /// It stays as it is.
    Rest(Stage, Option<String>),
    /// There is nothing to start there; the next source is tried.
    Nothing(String),
}

impl Life {
    pub(super) async fn live(self) {
        loop {
            let sources = self.power_on_self_test().await;
            match self.boot_from(sources).await {
                Next::Again => {}
                Next::Off => return self.switches_off(),
                Next::Rest(stage, note) => return self.rests(stage, note),
                Next::Nothing(why) => return self.rests(Stage::Halted, Some(why)),
            }
        }
    }

    /// It does something else now.
    pub fn enters(&self, stage: Stage) {
        self.change(|state| state.stage = stage);
    }

    /// Change its state, if this life still is the machine's.
    pub fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.machine.state();
        if state.lives == self.number {
            change(&mut state);
        }
        drop(state);
        self.rack.changed();
    }

    fn rests(&self, stage: Stage, note: Option<String>) {
        self.change(|state| {
            state.stage = stage;
            state.note = note.map(Into::into);
            state.life = None;
        });
    }

    fn switches_off(&self) {
        self.change(|state| {
            state.power = Power::Off;
            state.switched = Some(Instant::now());
            state.stage = Stage::Off;
            state.life = None;
        });
        self.machine.switched(&self.rack, Power::Off);
    }

    /// The firmware's own time, then its decision what to try.
    async fn power_on_self_test(&self) -> &'static [Source] {
        self.change(|state| {
            state.boots += 1;
            state.stage = Stage::Post;
            state.bmc.applies_settings();
        });
        self.rack.takes(&self.machine, &self.rack.pace().post).await;
        let loses_once = self.rack.faults.loses_once(&self.machine);
        let mut sources: &[Source] = &[];
        self.change(|state| {
            state.stage = Stage::Firmware;
            if loses_once && state.boot.enabled == Enabled::Once {
                state.boot = Override { mode: state.boot.mode, ..Override::default() };
            }
            sources = state.boot.take();
        });
        sources
    }

    async fn boot_from(&self, sources: &[Source]) -> Next {
        let mut last = Next::Nothing("there is nothing to start from".into());
        for source in sources {
            last = match source {
                Source::Disk => self.start_disk().await,
                Source::Pxe => self.start_network(boot::Method::Pxe).await,
                Source::Http => self.start_network(boot::Method::Http).await,
                Source::Cd => self.start(boot::media::boot(self).await).await,
                Source::Elsewhere => {
                    Next::Rest(Stage::Halted, Some("waiting in the firmware for a person".into()))
                }
            };
            if !matches!(last, Next::Nothing(_)) {
                break;
            }
        }
        last
    }

    async fn start_disk(&self) -> Next {
        match system::start(self).await {
            Ok(()) => Next::Rest(Stage::System, None),
            Err(system::Error::NotBootable(why)) => Next::Nothing(why.into()),
            Err(error) => Next::Rest(Stage::System, Some(underlay_core::because(&error))),
        }
    }

    async fn start_network(&self, method: boot::Method) -> Next {
        self.start(firmware::boot(self, method).await).await
    }

    /// Go on with what a boot source had.
    async fn start<E: std::error::Error>(&self, found: Result<firmware::Loaded, E>) -> Next {
        match found {
            Ok(firmware::Loaded::Kernel { command_line }) => self.start_agent(&command_line).await,
            Ok(firmware::Loaded::Disk) => self.start_disk().await,
            Ok(firmware::Loaded::Nothing) => Next::Nothing("the boot source has nothing to start".into()),
            Err(error) => Next::Nothing(underlay_core::because(&error)),
        }
    }

    async fn start_agent(&self, command_line: &str) -> Next {
        self.enters(Stage::Agent);
        self.rack.takes(&self.machine, &self.rack.pace().agent).await;
        match agent::run(self, command_line).await {
            Ok(agent::Left::Reboot) => Next::Again,
            Ok(agent::Left::PowerOff) => Next::Off,
            Ok(agent::Left::Died(why)) => Next::Rest(Stage::Halted, Some(why)),
            Err(error) => {
                tracing::debug!(
                    machine = self.machine.name(),
                    error = underlay_core::because(&error),
                    "agent"
                );
                self.rack.pauses(agent::READING_TIME).await;
                Next::Again
            }
        }
    }
}
