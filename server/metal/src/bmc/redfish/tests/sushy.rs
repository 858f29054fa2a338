//! The Redfish emulator of sushy-tools, a peer that others wrote, over its in-memory systems.
//!
//! Without it (`scripts/setup.sh redfish`) this says so and passes; under `CI=true` it fails.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use underlay_core::bmc::Bmc;

use super::driver;
use crate::bmc::conformance;

/// A process that is ended with its test.
struct Emulator(Child);

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The `bin` directory of the environment it is installed in.
fn programs() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let venvs = std::fs::read_dir(cache.join("underlay/venv")).ok()?;
    venvs.flatten().map(|venv| venv.path().join("bin")).find(|bin| bin.join("sushy-emulator").is_file())
}

#[tokio::test]
async fn it_passes_the_conformance_suite_against_sushy_tools() {
    let Some(programs) = programs() else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI has sushy-tools");
        eprintln!("skipped: no sushy-tools; scripts/setup.sh redfish installs it");
        return;
    };
    let work = tempfile::tempdir().expect("a directory");
    let config = work.path().join("sushy.conf");
    let state = work.path().to_str().expect("a path");
    std::fs::write(
        &config,
        format!("SUSHY_EMULATOR_FAKE_DRIVER = True\nSUSHY_EMULATOR_STATE_DIR = '{state}'\nSUSHY_EMULATOR_FEATURE_SET = 'full'\n"),
    )
    .expect("written");
    // It takes port 0 for its default; the port is free but for the moment in between.
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        free.local_addr().expect("an address").port().to_string()
    };
    // Its own first line names a Python where the environment was made, which is not where it lies.
    let emulator = Command::new(programs.join("python"))
        .arg(programs.join("sushy-emulator"))
        .args(["--config", config.to_str().expect("a path"), "--interface", "127.0.0.1", "--port", &port])
        .env("PYTHONUNBUFFERED", "1")
        .current_dir(work.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut emulator = Emulator(emulator.expect("it starts"));
    let mut lines = BufReader::new(emulator.0.stderr.take().expect("piped")).lines().map_while(Result::ok);
    let address = lines
        .find_map(|line| Some(line.split_once("Running on ")?.1.split_whitespace().next()?.to_owned()))
        .expect("it says where it listens");
    // Its pipe is emptied for as long as it runs.
    std::thread::spawn(move || lines.for_each(drop));
    let driver = driver(&address);
    let seen = driver.observe().await.expect("it answers");
    assert_eq!(seen.macs.len(), 1);
    conformance::run(&driver, conformance::Patience::Seconds).await;
}
