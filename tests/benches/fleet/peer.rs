//! What the peer took for the same, as its own script has printed it.

use anyhow::{Context, Result};
use serde_json::Value;

/// One run of the peer.
#[derive(Clone, Debug)]
pub struct Peer {
    /// What it is.
    pub name: String,
    /// How many machines it had.
    pub machines: f64,
    /// From the first enrolled to the last active, in seconds.
    pub wall: f64,
    /// Of all its server processes and of its database, in seconds: ours is one process with the database in it.
    pub cpu: f64,
}

impl Peer {
    /// CPU of its servers for one machine, in milliseconds.
    pub fn cpu_ms_each(&self) -> f64 {
        self.cpu * 1e3 / self.machines
    }
}

/// The peer that `BENCH_IRONIC` names, if it is set: the last line of the file is read.
///
/// # Errors
/// There is no such file, or it does not say what is needed.
pub fn read() -> Result<Option<Peer>> {
    let Some(path) = std::env::var_os("BENCH_IRONIC") else { return Ok(None) };
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let line =
        text.lines().rev().find(|line| line.starts_with('{')).context("the peer's file has no JSON")?;
    let said: Value = serde_json::from_str(line).context("the peer's line is not JSON")?;
    let number = |field: &str| {
        said.get(field).and_then(Value::as_f64).with_context(|| format!("the peer does not say {field}"))
    };
    let name = said.get("peer").and_then(Value::as_str).context("the peer does not say what it is")?;
    Ok(Some(Peer {
        name: name.to_owned(),
        machines: number("machines")?,
        wall: number("wall_s")?,
        cpu: number("cpu_s")? + number("db_cpu_s")?,
    }))
}
