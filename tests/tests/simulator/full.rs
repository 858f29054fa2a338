//! A disk that is full while machines are deployed: what cannot be written is said, nothing is destroyed, and once there is
//! room again all goes on. Database and images lie on a file system of the server's own, which is small.
//!
//! Needs a mount of its own, and so root or user namespaces; where there is neither this says so and passes, and fails
//! under `CI=true`.

use std::{fs::File, io::Write, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use underlay_proto::v1 as pb;
use underlay_tests::{World, rack::image::Image};

use crate::rig::{PATIENCE, Rig, phase};

/// Database, an image of 4 MiB and little more.
const ROOM: &str = "48m";

/// How to run the server with its data on a file system of its own; none where that cannot be.
fn cramped() -> Option<World> {
    let mount = format!("mount -t tmpfs -o size={ROOM},mode=0700 none DIR/data && exec \"$@\"");
    let unshare: &[&str] = if rustix::process::geteuid().is_root() {
        &["unshare", "--mount"]
    } else {
        &["unshare", "--mount", "--map-root-user"]
    };
    let probe =
        Command::new(unshare[0]).args(&unshare[1..]).args(["mount", "-t", "tmpfs", "none", "/mnt"]).output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI may mount");
        eprintln!("skipped: no mount namespace can be had");
        return None;
    }
    let words = unshare.iter().copied().chain(["sh", "-c", &mount, "sh"]).map(str::to_owned).collect();
    Some(World { server: words, ..World::default() })
}

/// Takes all the room that is left beneath `directory`; the file that does.
fn fill(directory: &Path) -> Result<std::path::PathBuf> {
    let path = directory.join("full");
    let mut file = File::create(&path).context("making the file that takes the room")?;
    let mut chunk = vec![1_u8; 64 << 10];
    while !chunk.is_empty() {
        match file.write(&chunk) {
            Ok(written) if written > 0 => {}
            _ => chunk.truncate(chunk.len() / 2),
        }
    }
    Ok(path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_nothing_is_destroyed_and_all_goes_on_once_there_is_room() -> Result<()> {
    let Some(world) = cramped() else { return Ok(()) };
    let rig = Rig::within(world, &[], &["--machines", "6", "--pace", "instant"]).await?;
    let names = rig.names();
    // What is ready is to stay as it is.
    rig.deploy(&names[0]).await?;
    let before = rig.rack.machine(&names[0]);
    // One is on its way, slowly, when the room ends.
    rig.rack.at_the_rack(&["fault", &names[1], "--slow-link=512KiB"]);
    rig.client.put_machine(&names[1], rig.spec(&names[1]), pb::PutOptions::default()).await?;
    let writing = |machine: &pb::Machine| phase(&machine.standing) == "imaging";
    rig.client.machine_when(&names[1], PATIENCE, writing).await?;

    let full = fill(&rig.rack.data())?;
    let asked_before = asked(&rig)?;
    // A new spec cannot be kept, and is refused in words.
    let mut refused = 0;
    for name in &names[2..] {
        for _ in 0..20 {
            let put = rig.client.put_machine(name, rig.spec(name), pb::PutOptions::default()).await;
            let Err(error) = put else { continue };
            let text = format!("{error:#}");
            let log = rig.rack.log("serve.log");
            let errors: Vec<_> = log.lines().filter(|line| line.contains("ERROR")).collect();
            ensure!(text.contains("full"), "it does not say why: {text}; its log: {errors:#?}");
            refused += 1;
            break;
        }
    }
    // An image cannot be kept either.
    let second = Image::make(&rig.rack.images(), "second", 16)?;
    let import = rig.client.import("second", second.spec(), std::time::Duration::from_secs(20)).await;
    let text = format!("{:#}", import.err().context("it was imported onto a full disk")?);
    ensure!(
        ["full", "No space", "takes too long"].iter().any(|why| text.contains(why)),
        "it does not say why: {text}"
    );
    ensure!(refused > 0, "nothing was refused, so the disk was not full");
    ensure!(
        rig.rack.machine(&names[0]) == before,
        "what was ready was touched: {:#}",
        rig.rack.machine(&names[0])
    );
    let off: Vec<_> =
        asked(&rig)?.into_iter().skip(asked_before.len()).filter(|(name, _)| *name == names[0]).collect();
    ensure!(off.is_empty(), "the one that was ready was switched: {off:?}");

    std::fs::remove_file(full).context("making room")?;
    for name in &names[1..] {
        let machine = rig.client.machine(name).await.ok();
        if machine.is_none() {
            rig.client.put_machine(name, rig.spec(name), pb::PutOptions::default()).await?;
        }
        let machine = rig.client.machine_ready(name, PATIENCE).await.with_context(|| name.clone())?;
        ensure!(
            machine.status.is_some_and(|status| status.deployments == 1),
            "{name} was imaged more than once"
        );
    }
    rig.client.import("second", second.spec(), PATIENCE).await.context("importing once there is room")?;
    Ok(())
}

/// What BMCs were asked to change: machine, and what.
fn asked(rig: &Rig) -> Result<Vec<(String, String)>> {
    let list: Vec<serde_json::Value> = serde_json::from_str(&rig.rack.at_the_rack(&["asked"]))?;
    let word = |one: &serde_json::Value, field: &str| one[field].as_str().unwrap_or_default().to_owned();
    Ok(list.iter().map(|one| (word(one, "machine"), word(one, "what"))).collect())
}
