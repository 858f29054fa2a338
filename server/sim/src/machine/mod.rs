//! One machine: who it is, whether it is on, what is on its disks, what it runs.
//!
//! - [`hardware`]: identity and parts; [`disk`]: content; [`boot_order`]: the override
//! - `power.rs`: the switch; `life.rs`: from power-on to rest
//! - `inventory.rs`: what an agent finds on it
//!
//! A machine that is off or at rest is a few hundred bytes: it has no task, no timer and no socket.

pub mod boot_order;
pub mod disk;
pub mod hardware;
mod inventory;
mod life;
mod power;

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::{task::AbortHandle, time::Instant};

pub use hardware::Hardware;
pub use inventory::inventory;
pub use life::Life;
pub use power::Reset;

use crate::{bmc, models::Model};
use boot_order::Override;
use disk::Content;

/// A machine of a rack.
#[derive(Debug)]
pub struct Machine {
    /// Its number, from 0.
    pub index: u32,
    /// What kind it is.
    pub model: &'static Model,
    seed: u64,
    per_rack: u32,
    state: Mutex<State>,
}

/// What changes about a machine.
#[derive(Debug)]
pub struct State {
    /// Is it on?
    pub power: Power,
    /// When it was last switched.
    pub switched: Option<Instant>,
    /// How often it has begun to boot.
    pub boots: u32,
    /// What starts next.
    pub boot: Override,
    /// What it does now.
    pub stage: Stage,
    /// Why it stands still, where it does.
    pub note: Option<Box<str>>,
    /// What is on its disks.
    pub disks: Box<[Content]>,
    /// What its BMC remembers.
    pub bmc: bmc::Memory,
    /// Counts its lives: what an earlier one still does is not heard.
    lives: u32,
    /// The task that lives the present one, while there is one.
    life: Option<AbortHandle>,
}

/// Is it on?
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Power {
    /// On.
    On,
    /// Off.
    Off,
}

/// What a machine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Nothing.
    Off,
    /// The firmware tests and counts.
    Post,
    /// The firmware looks for something to start.
    Firmware,
    /// The agent runs in its memory.
    Agent,
    /// The installed system starts.
    Starting,
    /// The installed system runs.
    System,
    /// Nothing goes on; the note says why.
    Halted,
}

impl Machine {
    /// One that was never switched on.
    pub fn new(index: u32, model: &'static Model, seed: u64, per_rack: u32) -> Self {
        let state = State {
            power: Power::Off,
            switched: None,
            boots: 0,
            boot: Override::default(),
            stage: Stage::Off,
            note: None,
            disks: vec![Content::default(); model.disks.len()].into(),
            bmc: bmc::Memory::default(),
            lives: 0,
            life: None,
        };
        Self { index, model, seed, per_rack, state: Mutex::new(state) }
    }

    /// Who it is.
    pub fn hardware(&self) -> Hardware {
        Hardware::of(self.model, self.seed, self.index, self.per_rack)
    }

    /// Its place.
    pub fn name(&self) -> String {
        hardware::name(self.index, self.per_rack)
    }

    /// What changes about it; held for moments only.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
