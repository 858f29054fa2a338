//! The Redfish services (DSP0266, DSP2046) of a rack's BMCs: one socket for all, each BMC told by the loopback address
//! that was connected to.
//!
//! - [`listen`]: the socket, plain and TLS; [`tls`]: its certificates; `service.rs`: faults, authorisation, who answers what
//! - `reply.rs`: answers and error bodies; `sessions.rs`: logins; `accounts.rs`: whose password is changed
//! - `schemas.rs`: of which schema each is
//! - `root.rs`, `system.rs`, `parts.rs`, `chassis.rs`, `adapters.rs`, `manager.rs`, `bios.rs`, `update.rs`: resources
//! - [`recorded`]: a BMC that was recorded elsewhere, in place of all of these
//! - `tasks.rs`: what takes time; [`events`]: what is pushed to subscribers; [`asked`]: who wanted what changed
//!
//! Loopback only: a BMC that anybody can reach and that has the password of a simulation is nobody's wish.

mod accounts;
mod adapters;
pub mod asked;
mod bios;
mod chassis;
pub mod events;
pub mod listen;
mod manager;
mod parts;
pub mod recorded;
mod reply;
mod root;
mod schemas;
mod service;
mod sessions;
mod system;
mod tasks;
pub mod tls;
mod update;

use std::collections::BTreeMap;

use serde_json::Value;

/// What a BMC remembers. One that was never spoken to remembers nothing and costs nothing.
#[derive(Debug, Default)]
pub struct Memory {
    sessions: sessions::Sessions,
    /// Requests so far.
    requests: u64,
    /// Counts changes of its system, for ETags.
    version: u32,
    /// How often its boot override was read since it was last set.
    boot_reads: u32,
    /// When it last took a change, for as long as its job queue minds.
    changed: Option<tokio::time::Instant>,
    extra: Option<Box<Extra>>,
}

/// What few BMCs remember.
#[derive(Debug, Default)]
struct Extra {
    account: accounts::Account,
    asset_tag: String,
    bios: BTreeMap<String, Value>,
    bios_pending: BTreeMap<String, Value>,
    /// The image in each virtual drive.
    media: BTreeMap<&'static str, String>,
    tasks: tasks::Tasks,
    subscriptions: events::Subscriptions,
}

impl Memory {
    /// The image in the virtual CD.
    pub fn cd(&self) -> Option<String> {
        self.extra.as_ref()?.media.get(manager::CD).cloned()
    }

    fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }
}
