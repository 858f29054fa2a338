//! The switch: what each kind of reset does to a machine.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Life, Machine, Power, Stage};
use crate::{bmc, rack::Rack};

/// `ResetType` (DSP2046), as far as it makes a difference here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// On, unless it is.
    On,
    /// Off at once.
    ForceOff,
    /// Off, if there is a system that listens.
    GracefulShutdown,
    /// Off and on at once.
    ForceRestart,
    /// Restart, if there is a system that listens.
    GracefulRestart,
    /// As a finger does it.
    PushPowerButton,
    /// An interrupt; nothing here minds it.
    Nmi,
}

/// Why a reset is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is in that state already.
    Already,
}

impl Reset {
    /// What a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "On" | "ForceOn" => Self::On,
            "ForceOff" => Self::ForceOff,
            "GracefulShutdown" => Self::GracefulShutdown,
            "ForceRestart" | "PowerCycle" => Self::ForceRestart,
            "GracefulRestart" => Self::GracefulRestart,
            "PushPowerButton" => Self::PushPowerButton,
            "Nmi" => Self::Nmi,
            _ => return None,
        })
    }
}

impl Machine {
    /// Switch it.
    ///
    /// # Errors
    /// It is in that state already.
    pub fn reset(self: &Arc<Self>, rack: &Arc<Rack>, reset: Reset) -> Result<(), Refused> {
        let (power, stage) = {
            let state = self.state();
            (state.power, state.stage)
        };
        match (reset, power) {
            (Reset::On, Power::On) | (Reset::ForceOff, Power::Off) => return Err(Refused::Already),
            (Reset::GracefulShutdown | Reset::GracefulRestart | Reset::ForceRestart, Power::Off) => {
                return Err(Refused::Already);
            }
            (Reset::On | Reset::PushPowerButton, Power::Off) => self.switch_on(rack),
            (Reset::ForceOff | Reset::PushPowerButton, Power::On) => self.switch_off(rack),
            // Only an installed system listens.
            (Reset::GracefulShutdown, Power::On) if stage == Stage::System => self.switch_off(rack),
            (Reset::GracefulRestart, Power::On) if stage == Stage::System => self.restart(rack),
            (Reset::GracefulShutdown | Reset::GracefulRestart, Power::On) | (Reset::Nmi, _) => {}
            (Reset::ForceRestart, Power::On) => self.restart(rack),
        }
        Ok(())
    }

    fn restart(self: &Arc<Self>, rack: &Arc<Rack>) {
        self.switch_off(rack);
        self.switch_on(rack);
    }

    fn switch_on(self: &Arc<Self>, rack: &Arc<Rack>) {
        let mut state = self.state();
        state.power = Power::On;
        state.switched = Some(Instant::now());
        state.stage = Stage::Post;
        state.note = None;
        state.lives += 1;
        let life = Life { rack: Arc::clone(rack), machine: Arc::clone(self), number: state.lives };
        // Spawned with the state held, so that a life that ends at once finds its handle in place.
        let life = rack.spawn(life.live());
        if let Some(before) = state.life.replace(life) {
            before.abort();
        }
        drop(state);
        self.switched(rack, Power::On);
    }

    fn switch_off(self: &Arc<Self>, rack: &Arc<Rack>) {
        let mut state = self.state();
        state.power = Power::Off;
        state.switched = Some(Instant::now());
        state.stage = Stage::Off;
        state.note = None;
        state.lives += 1;
        if let Some(life) = state.life.take() {
            life.abort();
        }
        drop(state);
        self.switched(rack, Power::Off);
    }

    /// Switched off for good, with the rack.
    pub(crate) fn unplug(&self) {
        if let Some(life) = self.state().life.take() {
            life.abort();
        }
    }

    pub(super) fn switched(self: &Arc<Self>, rack: &Arc<Rack>, power: Power) {
        bmc::events::power_changed(rack, self, power);
        rack.changed();
    }
}
