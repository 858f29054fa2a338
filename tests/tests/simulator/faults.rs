//! Every fault of the rack once: no disk is written where none must be, and the machine ends ready, or in a failure that
//! names its reason.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::{StreamExt, stream};
use underlay_proto::v1 as pb;

use crate::rig::{Rig, phase};

/// How it must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Ready all the same.
    Ready,
    /// In a failure, with this in its reason, before a byte was written.
    Unwritten(&'static str),
    /// In a failure, with this in its reason; the disk holds part of an image or all of it.
    Written(&'static str),
}

/// What a deployment comes through, with the server's own deadlines.
const BORNE: [(&str, End); 7] = [
    ("--slow-link=2MiB", End::Ready),
    ("--lost-packets=10", End::Ready),
    ("--bmc-flaky=6", End::Ready),
    ("--bmc-garbage=5", End::Ready),
    ("--bmc-hangs=7", End::Ready),
    ("--bmc-slow=1", End::Ready),
    // Its disk is blank, so the firmware comes to the network all the same.
    ("--lost-once", End::Ready),
];

/// What ends one.
const FATAL: [(&str, End); 10] = [
    ("--disk-failure=2MiB", End::Written("Input/output error")),
    ("--dead-nic", End::Unwritten("nothing seen on the network")),
    ("--power-lies=off", End::Unwritten("there is nothing to switch, and shows another power state")),
    ("--power-lies=on", End::Unwritten("there is nothing to switch, and shows another power state")),
    ("--power-stuck", End::Unwritten("reports Off all the same")),
    ("--forgets-boot", End::Unwritten("has lost it before the power comes on")),
    ("--wrong-serial", End::Unwritten("serial")),
    ("--agent-dies=2MiB", End::Written("nothing new")),
    ("--double-boot", End::Unwritten("token")),
    ("--no-phone-home", End::Written("did not call its one-time URL")),
];

/// Deadlines for those, in seconds, so that nobody waits for half an hour; for power longer than a BMC of no known make may
/// show what was.
const SHORT: [&str; 8] =
    ["--power-patience", "14", "--boot-patience", "10", "--imaging-patience", "8", "--start-patience", "8"];
const PATIENCE: Duration = Duration::from_secs(200);

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_comes_through_what_networks_and_bmcs_do() -> Result<()> {
    strike_all(&[], &BORNE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_a_deployment_is_named_and_nothing_is_written_where_it_must_not_be() -> Result<()> {
    strike_all(&SHORT, &FATAL).await
}

/// Each fault on a machine of its own, all at once.
async fn strike_all(settings: &[&str], table: &[(&'static str, End)]) -> Result<()> {
    let count = table.len().to_string();
    let rig = Rig::start(settings, &["--machines", &count, "--pace", "instant"]).await?;
    let rig = &rig;
    let wrong: Vec<String> = stream::iter(rig.names().into_iter().zip(table.iter().copied()))
        .map(|(name, (fault, end))| async move {
            let struck = strike(rig, &name, fault, end).await;
            struck.err().map(|error| format!("{fault} on {name}: {error}"))
        })
        .buffer_unordered(table.len())
        .filter_map(std::future::ready)
        .collect()
        .await;
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

async fn strike(rig: &Rig, name: &str, fault: &str, end: End) -> Result<()> {
    // A stolen token shows at the first boot; a second one would be another theft.
    let times: &[&str] = if fault == "--double-boot" { &["--times", "1"] } else { &[] };
    rig.rack.at_the_rack(&[&["fault", name][..], times, &[fault]].concat());
    rig.client.put_machine(name, rig.spec(name), pb::PutOptions::default()).await?;
    // A failure that stands in any other phase is one that is being tried again.
    let ended = |machine: &pb::Machine| ["ready", "failed"].contains(&phase(&machine.standing));
    let machine = rig.client.machine_when(name, PATIENCE, ended).await?;
    let seen = rig.rack.machine(name);
    let writes = seen["disks"][0]["writes"].as_u64().unwrap_or(u64::MAX);
    let failure = machine.standing.clone().and_then(|standing| standing.failure);
    match (end, &failure) {
        (End::Ready, None) => ensure!(seen["stage"] == "system", "{seen:#}"),
        (End::Unwritten(why), Some(failure)) => {
            ensure!(failure.why.contains(why), "{failure:#?}");
            ensure!(writes == 0, "{writes} writes; {failure:#?}");
        }
        (End::Written(why), Some(failure)) => {
            ensure!(failure.why.contains(why), "{failure:#?}");
            ensure!(writes > 0, "no writes; {failure:#?}");
        }
        _ => anyhow::bail!("it should end {end:?}; {failure:#?}; {seen:#}"),
    }
    if let Some(failure) = failure {
        let parts = [&failure.what, &failure.why, &failure.done, &failure.next];
        ensure!(parts.iter().all(|part| !part.is_empty()), "{failure:#?}");
    }
    Ok(())
}
