//! What every service holds: the store, the authority, the ports to other parts, and when to stop.

use std::{path::PathBuf, sync::Arc};

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use underlay_store::Store;

use crate::{
    auth::record::Refusals,
    metrics::Metrics,
    ports::Ports,
    rules::{Planned, Prospects},
    tls::Authority,
};

/// Settings of the API.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where machines reach the boot endpoint, `http://10.0.0.2:7480`.
    pub boot_url: String,
    /// Where agents reach the API, `https://10.0.0.2:7443`.
    pub api_url: String,
    /// The agent's ramdisk, with its program beside it; callers are told whether it is in place.
    pub ramdisk: PathBuf,
    /// Where copies of the database are made before they are sent; as private as the database.
    pub scratch: PathBuf,
    /// The most connections of one listener.
    pub max_connections: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            boot_url: String::new(),
            api_url: String::new(),
            ramdisk: PathBuf::new(),
            scratch: std::env::temp_dir(),
            max_connections: 12_288,
        }
    }
}

/// Shared by all services of one listener; cheap to clone.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) store: Store,
    pub(crate) authority: Arc<Authority>,
    pub(crate) ports: Ports,
    pub(crate) config: Arc<Config>,
    pub(crate) metrics: Arc<Metrics>,
    /// What was found for machines that are planned.
    pub(crate) prospects: Arc<Prospects>,
    /// What the plan that asks is about to change; empty but in a Preview.
    pub(crate) planned: Arc<Planned>,
    /// Bounds what refusals leave in the audit.
    pub(crate) refusals: Arc<Refusals>,
    /// Ends every stream.
    pub(crate) stop: CancellationToken,
    /// The tasks behind streams.
    pub(crate) tasks: TaskTracker,
}
