//! Many machines at once, from enrolled to ready, anew in place, and back to where they came from.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use underlay_proto::v1 as pb;
use underlay_tests::rack::image::Image;

use crate::rig::{PATIENCE, Rig};

#[tokio::test(flavor = "multi_thread")]
async fn eight_machines_are_deployed_at_once_then_anew_in_place_and_released() -> Result<()> {
    let rig = Rig::start(&[], &["--machines", "8", "--pace", "instant"]).await?;
    let rig = &rig;
    rig.each(|name| async move {
        let machine = rig.deploy(&name).await?;
        let status = machine.status.context("a machine has a status")?;
        ensure!(status.deployments == 1, "imaged {} times", status.deployments);
        ensure!(status.ssh_host_keys.len() == 1 && status.address.starts_with("127.96."), "{status:#?}");
        let seen = rig.rack.machine(&name);
        ensure!(seen["stage"] == "system" && seen["power"] == "on", "{seen:#}");
        ensure!(seen["disks"][0].get("flaw").is_none() && seen["boots"] == 2, "{seen:#}");
        Ok(())
    })
    .await?;

    // Another image, in place.
    let second = Image::make(&rig.rack.images(), "second", 4)?;
    let second = rig.client.import("second", second.spec(), PATIENCE).await?;
    let (before, image) = (rig.rack.machine("r1u1"), &second);
    rig.each(|name| async move {
        let machine = rig.client.machine(&name).await?;
        let options = pb::PutOptions {
            incarnation: machine.meta.context("a machine has an identity")?.incarnation,
            ..Default::default()
        };
        let spec = pb::MachineSpec {
            image: image.clone(),
            allow_disruption: "erase_root".into(),
            redeploy: Some(pb::Redeploy { on: vec!["image".into()], generation: 1 }),
            ..rig.spec(&name)
        };
        rig.client.put_machine(&name, spec, options).await?;
        let machine = rig.client.machine_ready(&name, PATIENCE).await?;
        let status = machine.status.context("a machine has a status")?;
        ensure!(status.deployments == 2, "imaged {} times", status.deployments);
        Ok(())
    })
    .await?;
    let after = rig.rack.machine("r1u1");
    ensure!(before["disks"][0]["image"] != after["disks"][0]["image"], "{after:#}");

    rig.each(|name| async move {
        rig.client.delete_machine(&name).await?;
        let free = |host: &pb::Host| host.status.as_ref().is_some_and(|status| status.machine.is_empty());
        rig.client.host_when(&name, PATIENCE, free).await?;
        let seen = rig.rack.machine(&name);
        ensure!(seen["power"] == "off", "{seen:#}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_never_booted_is_claimed_for_the_disks_its_bmc_tells_of() -> Result<()> {
    let arguments = ["--machines", "4", "--model", "generic,openbmc", "--pace", "instant"];
    let rig = Rig::start(&[], &arguments).await?;
    rig.client.put_pool("default", pb::PoolSpec::default()).await?;
    let disks = vec![pb::DiskNeed { kind: "nvme".into(), min_size_bytes: 800 << 30, count: 1 }];
    let require = pb::Require { pool: "default".into(), disks, ..Default::default() };
    for name in ["one", "two", "three"] {
        let spec = pb::MachineSpec { host: String::new(), require: Some(require.clone()), ..rig.spec("") };
        rig.client.put_machine(name, spec, pb::PutOptions::default()).await?;
    }
    let mut hosts = Vec::new();
    for name in ["one", "two"] {
        let machine = rig.client.machine_ready(name, PATIENCE).await?;
        hosts.push(machine.status.context("a machine has a status")?.host);
    }
    hosts.sort();
    // The others have an SSD of 447 GiB.
    ensure!(hosts == ["r1u2", "r1u4"], "{hosts:?}");
    let third = rig.client.machine("three").await?.standing.unwrap_or_default();
    ensure!(third.phase == "pending" && third.waiting_for.contains("nvme"), "{third:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_machines_get_ready() -> Result<()> {
    // A person who wants other figures says so: UNDERLAY_FLEET=1000, UNDERLAY_BIN for a release build.
    let count = std::env::var("UNDERLAY_FLEET").unwrap_or_else(|_| "100".into());
    let arguments = ["--machines", &count, "--pace", "instant", "--ramdisk-bytes", "1024"];
    let rig = Rig::start(&[], &arguments).await?;
    let (rig, began) = (&rig, Instant::now());
    rig.each(|name| async move { rig.deploy(&name).await.map(drop) }).await?;
    let (server, rack) = rig.rack.processes();
    eprintln!(
        "{count} machines ready in {:.1} s since they were enrolled; CPU seconds since the start: server {:.1}, rack {:.1}; \
         resident: server {} MB, rack {} MB",
        began.elapsed().as_secs_f32(),
        cpu(server),
        cpu(rack),
        resident(server),
        resident(rack),
    );
    let list: Vec<serde_json::Value> = serde_json::from_str(&rig.rack.at_the_rack(&["list", "--json"]))?;
    ensure!(
        list.len().to_string() == count && list.iter().all(|machine| machine["stage"] == "system"),
        "not all run"
    );
    Ok(())
}

/// CPU seconds of a process, user and system.
fn cpu(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = behind_name.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<f64>().ok());
    // USER_HZ is 100 on every Linux of ours.
    ticks.sum::<f64>() / 100.0
}

/// Resident memory of a process, in MB.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1000
}
