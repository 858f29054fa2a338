//! Steps that the server does itself, beside its controllers: a controller says which try is to be under way, and reads later
//! how it ended.
//!
//! - [`Runner`]: what controllers ask; [`runner`]: the one of a server, which does them in the background
//! - [`webhook`]: whoever is behind a URL
//!
//! A try is begun only after the store knows that it may have been; see docs/decisions/0019-steps.md.

mod runner;
mod webhook;

#[cfg(test)]
mod tests;

pub use runner::{Outbox, Steps};

use std::time::Duration;

use underlay_core::{ObjectId, step::Ticket};
use uuid::Uuid;

use crate::bmc::Login;

/// Who does the steps of a server.
pub trait Runner: Send + Sync + 'static {
    /// Names this start of the server: what another began may be under way there, or may have died with it.
    fn instance(&self) -> Uuid;

    /// Are there other servers on the same store, which may do what this one does not know of?
    fn company(&self) -> Company;

    /// How a try stands that this server was to do; `None` where it was not told to begin it.
    fn standing(&self, ticket: &Ticket) -> Option<Standing>;

    /// Begin a try, unless it is known already. A try of the same machine that is under way is stopped.
    fn begin(&self, job: Job);

    /// Stop what is under way for a machine, and never begin that again.
    fn stop(&self, machine: ObjectId);
}

/// Are there other servers on the same store?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// No: what another start of the server began has ended with it.
    Alone,
    /// Maybe: what another server began may be under way.
    Shared,
}

/// How a try stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is under way, or has ended and is told.
    Begun,
    /// It was stopped.
    Stopped,
}

/// One try.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its name.
    pub ticket: Ticket,
    /// The host that the machine has; what is logged stands with its boot.
    pub host: ObjectId,
    /// The step's name, for logs.
    pub step: String,
    /// What is done.
    pub work: Work,
    /// How long it may take.
    pub limit: Duration,
    /// What whoever does it is told.
    pub told: serde_json::Value,
}

/// What is done in a try, with its secrets.
#[derive(Clone, Debug)]
pub enum Work {
    /// A URL is called.
    Webhook {
        /// `https://HOST/PATH`.
        url: String,
        /// Who we are there.
        login: Option<Login>,
    },
}
