//! A server that is killed again and again while machines are deployed: none is lost, none is imaged twice, and it is back
//! at work in moments.
//!
//! `UNDERLAY_KILLS=200` makes it as many deaths and as many machines; `make e2e-full` does. `UNDERLAY_SEED` says when.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use underlay_proto::v1 as pb;
use underlay_tests::until;

use crate::rig::{AT_ONCE, Chance, PATIENCE, Rig, asked};

/// What a restart may take, on a machine that has other things to do too. What it is to take is a third.
const RECOVERY: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_at_any_moment_loses_no_deployment_and_images_nothing_twice() -> Result<()> {
    let kills: u64 = asked("UNDERLAY_KILLS").unwrap_or(20);
    let chance = Chance::new(asked("UNDERLAY_SEED").unwrap_or(1));
    let count = kills.to_string();
    // Firmware that finds nobody gives up. When the server notices is a matter of patience, and of no interest here.
    let settings = ["--boot-patience", "10"];
    let mut rig =
        Rig::start(&settings, &["--machines", &count, "--pace", "instant", "--ramdisk-bytes", "1024"])
            .await?;
    let (mut back, mut unfinished) = (Vec::new(), 0_u64);
    let names = rig.names();
    for (number, name) in (0..).zip(&names) {
        // One more machine each time, so that whatever moment it is, some are on their way.
        rig.client.put_machine(name, rig.spec(name), pb::PutOptions::default()).await?;
        tokio::time::sleep(Duration::from_micros(chance.below(number, 700_000))).await;
        rig.rack.kill_server();
        let began = Instant::now();
        rig.rack.resume_server();
        rig.client.info().await?;
        let under_way = rig.unfinished(&names).await?;
        if under_way > 0 {
            until("the engine steps", || rig.rack.metric("underlay_engine_steps_total") > 0.0);
            back.push(began.elapsed());
            unfinished += under_way;
        }
    }
    ensure!(
        unfinished >= kills / 2,
        "it was killed while nothing was going on: {unfinished} in {kills} deaths"
    );
    back.sort();
    let (median, longest) = (back.get(back.len() / 2), back.last().context("some were under way")?);
    eprintln!(
        "{kills} deaths, {unfinished} times a deployment was under way; back at work after {median:?} in the middle, {longest:?} at most"
    );
    ensure!(*longest < RECOVERY, "it took {longest:?} to be back at work");

    let rig = &rig;
    let all = stream::iter(&names).map(|name| is_deployed_once(rig, name)).buffer_unordered(AT_ONCE);
    all.try_collect::<()>().await.inspect_err(|_| eprintln!("{}", rig.rack.log("serve.log")))
}

/// Ready, by one operation, one image and two boots: the agent's and the system's.
async fn is_deployed_once(rig: &Rig, name: &str) -> Result<()> {
    let machine = rig.client.machine_ready(name, PATIENCE).await?;
    let deployments = machine.status.map_or(0, |status| status.deployments);
    ensure!(deployments == 1, "{name} was imaged {deployments} times");
    let operations = rig.client.operations(name).await?;
    let [only] = operations.as_slice() else { anyhow::bail!("{name}: {operations:#?}") };
    ensure!(only.finished_at.is_some() && only.failure.is_none(), "{name}: {only:#?}");
    let imagings = only.steps.iter().filter(|step| step.phase == "imaging").count();
    ensure!(imagings == 1, "{name}: imaging was entered {imagings} times");
    let seen = rig.rack.machine(name);
    ensure!(seen["stage"] == "system", "{seen:#}");
    let disk = &seen["disks"][0];
    ensure!(disk["segments"][0] == disk["segments"][1], "{seen:#}");
    Ok(())
}
