//! A run that went wrong by chance is made again by the one line it prints: the same faults strike the same machines at
//! the same boots, in the same order.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use underlay_proto::v1 as pb;

use crate::rig::{Rig, phase};

/// Everything that says what goes wrong and when, and nothing that is a default.
const RUN: [&str; 15] = [
    "--machines",
    "9",
    "--per-rack",
    "5",
    "--model",
    "generic,supermicro,openbmc",
    "--pace",
    "instant",
    "--seed",
    "117507",
    "--chaos",
    "0.6",
    "--bmc-tls",
    "--ramdisk-bytes",
    "2048",
];
/// Long enough for a machine that answers, and for nobody's half hour.
const SHORT: [&str; 8] =
    ["--power-patience", "8", "--boot-patience", "10", "--imaging-patience", "8", "--start-patience", "8"];
const PATIENCE: Duration = Duration::from_secs(240);

/// Faults by machine, in order: after which boot, and what.
type Struck = BTreeMap<String, Vec<(u64, String)>>;

#[tokio::test(flavor = "multi_thread")]
async fn the_line_that_a_run_prints_does_the_same_faults_in_the_same_order() -> Result<()> {
    let rig = Rig::start(&SHORT, &RUN).await?;
    rig.rack.at_the_rack(&["fault", "r1u2", "--times", "1", "--lost-once"]);
    rig.rack.at_the_rack(&["fault", "r2*", "--seconds", "3600", "--wrong-serial"]);
    let first = deploy_all(&rig).await?;
    let line = rig.rack.replay();
    drop(rig);

    let again = but_for_its_place(&line)?;
    let again: Vec<&str> = again.iter().map(String::as_str).collect();
    let rig = Rig::start(&SHORT, &again).await?;
    let second = deploy_all(&rig).await?;
    ensure!(first == second, "{line}\n{first:#?}\n{second:#?}");
    let strikes: usize = first.values().map(Vec::len).sum();
    ensure!(strikes >= 8, "few faults struck, so little is shown: {first:#?}");
    ensure!(but_for_its_place(&rig.rack.replay())? == again, "the second run prints the line of the first");
    Ok(())
}

/// Deploys every machine to its end, whichever it is, and returns what struck.
async fn deploy_all(rig: &Rig) -> Result<Struck> {
    rig.each(|name| async move {
        rig.client.put_machine(&name, rig.spec(&name), pb::PutOptions::default()).await?;
        let ended = |machine: &pb::Machine| ["ready", "failed"].contains(&phase(&machine.standing));
        let began = std::time::Instant::now();
        let machine = rig.client.machine_when(&name, PATIENCE, ended).await?;
        eprintln!(
            "{name} {:?} {:?}",
            began.elapsed(),
            machine.standing.map(|s| (s.phase, s.failure.map(|f| f.why)))
        );
        Ok(())
    })
    .await?;
    let list: serde_json::Value = serde_json::from_str(&rig.rack.at_the_rack(&["struck"]))?;
    let mut struck = Struck::new();
    for one in list.as_array().context("a list")? {
        let word = |field: &str| one[field].as_str().unwrap_or_default().to_owned();
        // How often a server asks a BMC depends on the clock; which of its requests go wrong is shown beside the rules.
        if !word("fault").starts_with("bmc-") {
            let boots = one["boots"].as_u64().context("a number")?;
            struck.entry(word("machine")).or_default().push((boots, word("fault")));
        }
    }
    Ok(struck)
}

/// The options of a printed line, as a shell reads them, without those that say where the run was.
fn but_for_its_place(line: &str) -> Result<Vec<String>> {
    let mut words = line.strip_prefix("underlay sim ").context("a command")?.split(' ').map(str::to_owned);
    let mut options = Vec::new();
    while let Some(word) = words.next() {
        if ["--server", "--dir", "--bmc-port"].contains(&word.as_str()) {
            words.next();
        } else {
            options.push(word.trim_matches('\'').to_owned());
        }
    }
    Ok(options)
}
