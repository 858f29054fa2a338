//! Somebody sets the wall clock of a server that deploys machines: by a day and by ten years, forwards and back. Nothing is
//! lost, nothing fails early, nothing waits for a time that was.
//!
//! libfaketime stands between the server and its wall clock, and leaves the monotonic one alone. Without it
//! (`scripts/setup.sh faults`) this says so and passes; under `CI=true` it fails.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use underlay_proto::v1 as pb;
use underlay_tests::World;

use crate::rig::{PATIENCE, Rig, phase};

/// The library, where it is installed.
pub fn libfaketime() -> Option<PathBuf> {
    let found = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| {
        // Threads are what the one with MT is for.
        entry.path().join("faketime/libfaketimeMT.so.1")
    });
    let found = found.into_iter().find(|path| path.exists());
    if found.is_none() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI has libfaketime");
        eprintln!("skipped: no libfaketime; scripts/setup.sh faults installs it");
    }
    found
}

/// A clock that can be set.
struct Clock {
    file: tempfile::NamedTempFile,
}

impl Clock {
    fn new(library: PathBuf) -> Result<(Self, World)> {
        let clock = Self { file: tempfile::NamedTempFile::new()? };
        clock.set("+0")?;
        let environment = [
            ("LD_PRELOAD", library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", clock.file.path().display().to_string()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("DONT_FAKE_MONOTONIC", "1".into()),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Ok((clock, World { server_environment: environment, ..World::default() }))
    }

    /// Sets it that far from the real one.
    fn set(&self, offset: &str) -> Result<()> {
        // Replaced at once: a reader never sees half of it.
        let part = self.file.path().with_extension("part");
        std::fs::write(&part, offset)?;
        std::fs::rename(part, self.file.path()).context("setting the clock")
    }
}

const JUMPS: [&str; 5] = ["+1d", "+0", "+3650d", "-3650d", "-1d"];

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_by_a_day_or_ten_years_ends_no_deployment() -> Result<()> {
    let Some(library) = libfaketime() else { return Ok(()) };
    let (clock, world) = Clock::new(library)?;
    let count = (JUMPS.len() * 4).to_string();
    let rig = Rig::within(world, &[], &["--machines", &count, "--pace", "instant"]).await?;
    let names = rig.names();
    // One whose agent never calls: it waits for a deadline, which is neither here at once nor never.
    let silent = names.first().context("a machine")?;
    rig.rack.at_the_rack(&["fault", silent, "--slow-link=64KiB"]);
    put(&rig, silent).await?;
    let is_on_its_way = |machine: &pb::Machine| {
        phase(&machine.standing) == "booting" || phase(&machine.standing) == "imaging"
    };
    rig.client.machine_when(silent, PATIENCE, is_on_its_way).await?;

    for (jump, names) in JUMPS.iter().zip(names[1..].chunks(3)) {
        let [before, during, after] = names else { break };
        put(&rig, before).await?;
        put(&rig, during).await?;
        rig.client.machine_when(during, PATIENCE, |machine| phase(&machine.standing) != "pending").await?;
        clock.set(jump)?;
        put(&rig, after).await?;
        for name in names {
            is_deployed_once(&rig, name)
                .await
                .with_context(|| format!("{name}, when the clock was set {jump}"))?;
        }
        let slow = rig.client.machine(silent).await?;
        ensure!(phase(&slow.standing) != "failed", "after {jump} a deadline was over: {slow:#?}");
    }
    is_deployed_once(&rig, silent).await.context("the slow one, through all of it")?;
    let log = rig.rack.log("serve.log");
    ensure!(!log.contains("panicked"), "{log}");
    drop(rig);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_with_its_clock_set_back_waits_for_no_time_that_was() -> Result<()> {
    let Some(library) = libfaketime() else { return Ok(()) };
    let (clock, world) = Clock::new(library)?;
    clock.set("+3650d")?;
    let mut rig = Rig::within(world, &[], &["--machines", "4", "--pace", "instant"]).await?;
    let names = rig.names();
    put(&rig, &names[0]).await?;
    is_deployed_once(&rig, &names[0]).await?;
    // Its work is on its way, and it dies.
    put(&rig, &names[1]).await?;
    rig.rack.at_the_rack(&["fault", &names[2], "--bmc-slow=2"]);
    put(&rig, &names[2]).await?;
    rig.rack.kill_server();
    clock.set("+0")?;
    rig.rack.resume_server();
    put(&rig, &names[3]).await?;
    for name in &names {
        is_deployed_once(&rig, name).await.with_context(|| name.clone())?;
    }
    Ok(())
}

async fn put(rig: &Rig, name: &str) -> Result<()> {
    rig.client.put_machine(name, rig.spec(name), pb::PutOptions::default()).await.map(drop)
}

async fn is_deployed_once(rig: &Rig, name: &str) -> Result<()> {
    let machine = rig.client.machine_ready(name, PATIENCE + Duration::from_secs(60)).await?;
    let deployments = machine.status.map_or(0, |status| status.deployments);
    ensure!(deployments == 1, "imaged {deployments} times");
    let seen = rig.rack.machine(name);
    ensure!(seen["stage"] == "system", "{seen:#}");
    Ok(())
}
