//! A server under measurement, ours or a peer: started, watched through `/proc`, and ended.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::measure::process::{cpu_of, cpu_of_ended_children};

const PATIENCE: Duration = Duration::from_secs(20);
const GLANCE: Duration = Duration::from_millis(20);

/// A running server; dropping it ends it.
pub struct Daemon {
    child: Child,
}

impl Daemon {
    /// Starts one, which says in `log` what it has to say, and waits until it is there.
    ///
    /// # Errors
    /// It ends, or is not there in time.
    pub fn start(command: &mut Command, log: &Path, is_there: impl Fn() -> bool) -> Result<Self> {
        let file = File::create(log)?;
        let child = command
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("starting {command:?}"))?;
        let mut daemon = Self { child };
        let until = Instant::now() + PATIENCE;
        while !is_there() {
            if daemon.child.try_wait()?.is_some() || Instant::now() > until {
                bail!("{command:?} does not come up:\n{}", fs::read_to_string(log).unwrap_or_default());
            }
            std::thread::sleep(GLANCE);
        }
        Ok(daemon)
    }

    /// User and system time so far, of it, its threads, and the children it has waited for, in seconds.
    ///
    /// # Errors
    /// It has ended.
    pub fn cpu(&self) -> Result<f64> {
        Ok(cpu_of(self.child.id())? + cpu_of_ended_children(self.child.id())?)
    }

    /// User and system time of a child process of it, in seconds: of a worker.
    ///
    /// # Errors
    /// It has none.
    pub fn cpu_of_worker(&self) -> Result<f64> {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        let worker = children.split_whitespace().next().context("no worker")?;
        Ok(cpu_of(worker.parse()?)?)
    }

    /// Peak resident memory in bytes.
    ///
    /// # Errors
    /// It has ended.
    pub fn peak(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024.0)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let asked = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
        let until = Instant::now() + PATIENCE;
        while asked && Instant::now() < until && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(GLANCE);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
