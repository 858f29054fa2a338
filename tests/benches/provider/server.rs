//! A server of this run alone, over a filled store, on ports that the kernel chooses.

use std::{
    error::Error,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use underlay_store::{SealingKey, Store};

use crate::{measure::process::cpu_of, rack};

const PATIENCE: Duration = Duration::from_secs(30);

/// A server that runs until this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    data: TempDir,
}

/// A program named by an environment variable.
pub fn program(variable: &str) -> Result<PathBuf, Box<dyn Error>> {
    let path = std::env::var_os(variable)
        .ok_or_else(|| format!("{variable} names no program; run scripts/bench.sh"))?;
    Ok(PathBuf::from(path).canonicalize().map_err(|error| format!("{variable}: {error}"))?)
}

impl Server {
    /// Fills a store with `machines` and serves it.
    pub fn start(program: &Path, machines: usize) -> Result<Self, Box<dyn Error>> {
        let data = TempDir::with_prefix("underlay-bench-")?;
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            let key = SealingKey::load_or_create(&data.path().join("sealing.key"))?;
            let store = Store::open(&data.path().join("underlay.db").display().to_string(), key).await?;
            rack::fill(&store, machines).await?;
            store.close().await;
            Ok::<_, Box<dyn Error>>(())
        })?;
        let log = File::create(data.path().join("log"))?;
        let anywhere = "127.0.0.1:0";
        let child = Command::new(program)
            .arg("serve")
            .arg("--data")
            .arg(data.path())
            .args(["--listen", anywhere, "--boot-listen", anywhere, "--metrics-listen", anywhere])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut server = Self { child, data };
        server.wait()?;
        Ok(server)
    }

    /// Where the API is.
    pub fn endpoint(&self) -> String {
        format!("unix://{}", self.data.path().join("api.sock").display())
    }

    /// User and system time so far, in seconds.
    pub fn cpu(&self) -> std::io::Result<f64> {
        cpu_of(self.child.id())
    }

    /// Until it says where it listens, which it does last.
    fn wait(&mut self) -> Result<(), Box<dyn Error>> {
        let began = Instant::now();
        while !self.data.path().join("addresses").exists() {
            if self.child.try_wait()?.is_some() || began.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(self.data.path().join("log"))?;
                return Err(format!("the server did not start:\n{log}").into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing to be done about a server that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
