//! How many transfers run, in all and per client.
//!
//! Too many are dropped without a word: firmware asks again in a second, but gives up on an ERROR. A client's repeated
//! request for a transfer that runs already is dropped too.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

/// What one server spends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Transfers at once.
    pub transfers: usize,
    /// Transfers at once to one address.
    pub per_client: usize,
    /// Bytes per block, at most 65,464.
    pub block: u64,
    /// Blocks per window.
    pub window: u64,
    /// Bytes per window, whatever the block size.
    pub window_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { transfers: 16 * 1024, per_client: 32, block: 65_464, window: 64, window_bytes: 256 * 1024 }
    }
}

#[derive(Debug, Default)]
struct Running {
    clients: HashSet<SocketAddr>,
    per_client: HashMap<IpAddr, usize>,
}

/// Lets transfers in.
#[derive(Clone, Debug)]
pub struct Admission {
    limits: Limits,
    running: Arc<Mutex<Running>>,
}

/// A transfer that was let in; dropping it makes room.
#[derive(Debug)]
pub struct Admitted {
    client: SocketAddr,
    running: Arc<Mutex<Running>>,
}

/// Why a transfer was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// It runs already.
    Away,
    /// There are too many.
    Back,
}

impl Admission {
    /// Nobody is in.
    pub fn new(limits: Limits) -> Self {
        Self { limits, running: Arc::default() }
    }

    /// Lets a client's transfer in, if there is room.
    pub fn admit(&self, client: SocketAddr) -> Result<Admitted, Turned> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.clients.contains(&client) {
            return Err(Turned::Away);
        }
        let of_client = running.per_client.get(&client.ip()).copied().unwrap_or(0);
        if running.clients.len() >= self.limits.transfers || of_client >= self.limits.per_client {
            return Err(Turned::Back);
        }
        running.clients.insert(client);
        running.per_client.insert(client.ip(), of_client + 1);
        Ok(Admitted { client, running: Arc::clone(&self.running) })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.clients.remove(&self.client);
        let ip = self.client.ip();
        match running.per_client.get_mut(&ip) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                running.per_client.remove(&ip);
            }
        }
    }
}
