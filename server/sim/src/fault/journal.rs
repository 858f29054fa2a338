//! What struck, in order: each fault of a machine once for each of its boots.
//!
//! It is bounded: a fleet in chaos for days is told by its beginning.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;

use super::Fault;
use crate::machine::Machine;

/// More than this are not noted.
const MOST: usize = 10_000;

/// One fault that struck.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Struck {
    /// Which machine.
    pub machine: String,
    /// After how many boots.
    pub boots: u32,
    /// What.
    pub fault: String,
}

/// All that struck.
#[derive(Debug, Default)]
pub(super) struct Journal(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    known: HashSet<(u32, u32, String)>,
    list: Vec<Struck>,
}

impl Journal {
    pub(super) fn note(&self, machine: &Machine, boots: u32, fault: &Fault) {
        let mut noted = self.noted();
        let fault = fault.to_string();
        if noted.list.len() < MOST && noted.known.insert((machine.index, boots, fault.clone())) {
            noted.list.push(Struck { machine: machine.name(), boots, fault });
        }
    }

    pub(super) fn list(&self) -> Vec<Struck> {
        self.noted().list.clone()
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
