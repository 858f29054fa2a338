//! `underlay host check`: every model is looked at before it is enrolled and after, without a change on it; what is recorded
//! names none of it, and a rack that replays the recording is read as the model was.

use std::{
    path::Path,
    process::{Command, Output},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use underlay_core::{
    bmc::{Bmc, Error, Power},
    host::{self, Boot, Tls},
};
use underlay_metal::bmc::{Login, redfish::Redfish};
use underlay_tests::{Simulated, rack::parts};

use crate::rig::Rig;

const MODELS: &str = "generic,idrac,ilo,supermicro,openbmc,ami";

/// The verb, as an operator types it.
fn check(rack: &Simulated, what: &str, arguments: &[&str]) -> Output {
    Command::new(parts::underlay().unwrap())
        .args(["host", "check", what, "--endpoint"])
        .arg(format!("unix://{}", rack.path("api.sock").display()))
        .args(arguments)
        .env("UNDERLAY_BMC_USER", "root")
        .env("UNDERLAY_BMC_PASSWORD", rack.password())
        .output()
        .unwrap()
}

fn json(output: &Output) -> Result<Value> {
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// What it says of one wish.
fn works<'a>(seen: &'a Value, what: &str) -> &'a str {
    let findings = seen["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = findings.iter().find(|found| found["what"] == what);
    found.and_then(|found| found["works"].as_str()).unwrap_or("nothing")
}

fn login(address: &str, password: String) -> Result<Redfish> {
    let spec = host::Redfish {
        address: address.into(),
        credential: "bmc".into(),
        tls: Tls::Pin,
        system: None,
        own_password: false,
    };
    let login = Login { user: "root".into(), password: password.into() };
    Ok(Redfish::new(&spec, &Boot::default(), login, None)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bmc_is_looked_at_and_recorded_and_its_recording_is_read_as_it_was() -> Result<()> {
    let arguments = ["--machines", "6", "--model", MODELS, "--pace", "instant", "--bmc-tls"];
    let rack = Simulated::start(&arguments);
    for machine in rack.machines() {
        let text = |field: &str| machine[field].as_str().unwrap_or_default().to_owned();
        let (model, address) = (text("model"), text("bmc_address"));
        let file = rack.path(&format!("{model}.json"));
        let record = file.display().to_string();
        let seen = json(&check(&rack, &address, &["--record", &record, "-o", "json"]))?;
        let make = if model == "generic" { "unknown" } else { &model };
        ensure!(seen["make"] == make && seen["login"] == "session", "{model}: {seen:#}");
        ensure!(seen["certificate"].as_str().is_some_and(|pin| pin.len() == 64), "{model}: {seen:#}");
        for (what, expected) in [
            ("switch its power", "yes"),
            ("boot from the network by PXE", "yes"),
            ("boot from the network by UEFI HTTP", if model == "openbmc" { "no" } else { "yes" }),
            ("boot from its disk by name", "yes"),
            (
                "choose between BIOS and UEFI for a boot",
                if ["ilo", "openbmc"].contains(&&*model) { "no" } else { "yes" },
            ),
            ("tell which machine it is", "yes"),
            (
                "tell its MAC addresses",
                if ["ilo", "openbmc", "ami"].contains(&&*model) { "no" } else { "yes" },
            ),
            ("tell its disks before the first boot", "yes"),
            ("send events to us", "yes"),
            ("answer in time", "yes"),
        ] {
            ensure!(works(&seen, what) == expected, "{model}: {what}: {seen:#}");
        }
        names_nothing(&file, machine, &rack.password())?;
        // It is not written over, and a person reads the same as a table.
        ensure!(!check(&rack, &address, &["--record", &record]).status.success());
        let table = check(&rack, &address, &["--all"]);
        let table = String::from_utf8_lossy(&table.stdout).into_owned();
        ensure!(table.contains("switch its power") && table.contains("/redfish/v1/Systems"), "{table}");
        replays(&rack, machine, &file, &seen).await?;
    }
    let asked: Value = serde_json::from_str(&rack.at_the_rack(&["asked"]))?;
    ensure!(asked.as_array().is_some_and(Vec::is_empty), "something was to be changed: {asked:#}");
    Ok(())
}

/// A recording holds nothing of the machine that it was made of.
fn names_nothing(file: &Path, machine: &Value, password: &str) -> Result<()> {
    let text = std::fs::read_to_string(file)?.to_lowercase();
    let mut canaries = vec![password.to_owned(), "127.96.".to_owned(), "\"root\"".to_owned()];
    for field in ["serial", "uuid", "boot_mac"] {
        let value = machine[field].as_str().context("the inventory has it")?;
        canaries.extend([value.to_owned(), value.replace(':', "")]);
    }
    let disks = machine["disks"].as_array().context("disks")?;
    canaries.extend(disks.iter().filter_map(|disk| disk["serial"].as_str().map(str::to_owned)));
    for canary in canaries {
        ensure!(!text.contains(&canary.to_lowercase()), "{canary} in {}: {text}", file.display());
    }
    Ok(())
}

/// The driver reads the recording as it reads the machine, and cannot change it.
async fn replays(rack: &Simulated, machine: &Value, file: &Path, seen: &Value) -> Result<()> {
    let recorded = file.display().to_string();
    let again = Simulated::start(&["--machines", "1", "--pace", "instant", "--recorded", &recorded]);
    let address = again.machines()[0]["bmc_address"].as_str().context("an address")?.to_owned();
    let replayed = json(&check(&again, &address, &["-o", "json"]))?;
    for found in seen["findings"].as_array().context("findings")? {
        let what = found["what"].as_str().context("a wish")?;
        ensure!(works(&replayed, what) == found["works"], "{what}: {replayed:#}");
    }
    ensure!(replayed["make"] == seen["make"], "{replayed:#}");
    let real = login(machine["bmc_address"].as_str().context("an address")?, rack.password())?;
    let replay = login(&address, again.password())?;
    let (one, other) = (real.observe().await?, replay.observe().await?);
    ensure!((one.power, one.next_boot, one.macs.len()) == (other.power, other.next_boot, other.macs.len()));
    ensure!(one.facts == other.facts && one.serial != other.serial, "{other:?}");
    let refused = replay.ensure_power(Power::On).await;
    ensure!(refused.is_err(), "a recording is not switched");
    real.log_out().await;
    replay.log_out().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_enrolled_host_is_looked_at_with_the_credential_that_the_server_has() -> Result<()> {
    let rig = Rig::start(&[], &["--machines", "1", "--model", "idrac", "--pace", "instant"]).await?;
    let output = Command::new(parts::underlay()?)
        .args(["host", "check", "r1u1", "-o", "json", "--endpoint"])
        .arg(format!("unix://{}", rig.rack.path("api.sock").display()))
        .output()?;
    let seen = json(&output)?;
    ensure!(seen["make"] == "idrac" && works(&seen, "switch its power") == "yes", "{seen:#}");
    let nobody = check(&rig.rack, "nobody", &[]);
    ensure!(!nobody.status.success());
    let wrong = Command::new(parts::underlay()?)
        .args([
            "host",
            "check",
            rig.rack.machines()[0]["bmc_address"].as_str().unwrap_or_default(),
            "--endpoint",
        ])
        .arg(format!("unix://{}", rig.rack.path("api.sock").display()))
        .env("UNDERLAY_BMC_USER", "root")
        .env("UNDERLAY_BMC_PASSWORD", "not-the-password")
        .output()?;
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    ensure!(!wrong.status.success() && said.contains("refuses us"), "{said}");
    ensure!(!said.contains("not-the-password"), "{said}");
    Ok(())
}

/// A driver that was logged in, looks, and is logged out.
async fn screen(address: &str, password: String) -> Result<Result<Vec<u8>, Error>> {
    let driver = login(address, password)?;
    let seen = driver.screenshot().await;
    driver.log_out().await;
    Ok(seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_screen_is_seen_where_a_make_gives_it_away_and_nowhere_else() -> Result<()> {
    let arguments = ["--machines", "6", "--model", MODELS, "--pace", "instant", "--bmc-tls"];
    let rack = Simulated::start(&arguments);
    for machine in rack.machines() {
        let (model, address) = (machine["model"].as_str().unwrap_or_default(), &machine["bmc_address"]);
        let address = address.as_str().context("an address")?;
        let off = screen(address, rack.password()).await?;
        if model != "idrac" {
            ensure!(matches!(&off, Err(Error::Unsupported { .. })), "{model}: {off:?}");
            continue;
        }
        let driver = login(address, rack.password())?;
        driver.ensure_power(Power::On).await?;
        driver.log_out().await;
        let (off, on) = (off?, screen(address, rack.password()).await??);
        ensure!(off.starts_with(b"\x89PNG") && on.starts_with(b"\x89PNG") && on != off, "{off:?} {on:?}");
    }
    Ok(())
}
