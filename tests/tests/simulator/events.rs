//! BMCs say when a machine is switched, and the server looks at its host then, long before it would by itself.

use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::Value;
use underlay_tests::{Simulated, until};

use crate::rig::{PATIENCE, Rig};

const RACK: [&str; 4] = ["--machines", "2", "--pace", "instant"];
/// Nobody is looked at by itself while this test runs.
const RARELY: [&str; 2] = ["--audit-seconds", "86400"];

/// What a machine's BMC answers.
fn ask(rack: &Simulated, name: &str, path: &str) -> Result<Value> {
    let machine = rack.machines().iter().find(|machine| machine["name"] == name).unwrap();
    let url = format!("{}{path}", machine["bmc_address"].as_str().unwrap());
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--max-time", "30", "--user"]);
    let output = curl.arg(format!("root:{}", rack.password())).arg(&url).output()?;
    ensure!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The subscriptions at a machine's BMC.
fn subscriptions(rack: &Simulated, name: &str) -> Result<Vec<Value>> {
    let list = ask(rack, name, "/redfish/v1/EventService/Subscriptions")?;
    let paths = list["Members"].as_array().into_iter().flatten().filter_map(|it| it["@odata.id"].as_str());
    paths.map(|path| ask(rack, name, path)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_button_pressed_at_the_rack_is_seen_by_the_server() -> Result<()> {
    let settings = [&RARELY[..], &["--event-address", "127.0.0.1"]].concat();
    let rig = Rig::start(&settings, &RACK).await?;
    // It subscribes after it has come to be available.
    until("it has subscribed", || subscriptions(&rig.rack, "r1u1").is_ok_and(|found| !found.is_empty()));
    let found = subscriptions(&rig.rack, "r1u1")?;
    ensure!(found.len() == 1, "{found:#?}");
    let destination = found[0]["Destination"].as_str().unwrap_or_default();
    let proof = destination.rsplit('/').next().unwrap_or_default();
    ensure!(destination.contains("/v1/events/") && proof.len() == 64, "{destination}");
    ensure!(!rig.rack.log("serve.log").contains(proof), "the address is a secret");

    for (power, before) in [("on", "off"), ("off", "on")] {
        let is = |power: &'static str| {
            move |host: &underlay_proto::v1::Host| host.status.as_ref().is_some_and(|it| it.power == power)
        };
        rig.client.host_when("r1u1", PATIENCE, is(before)).await?;
        rig.rack.at_the_rack(&["button", "r1u1"]);
        rig.client.host_when("r1u1", PATIENCE, is(power)).await?;
    }

    // Whoever does not know the proof is not heard, whatever he sends.
    let wrong = destination.replace(proof, &"0".repeat(64));
    for (url, body, code) in [(&wrong, "{}", "403"), (&destination.to_owned(), "no JSON", "204")] {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--data", body, url]);
        ensure!(String::from_utf8_lossy(&curl.output()?.stdout) == code, "{body}");
    }

    rig.client.delete_host("r1u1", PATIENCE).await?;
    let left = subscriptions(&rig.rack, "r1u1")?;
    ensure!(left.is_empty(), "forgotten with its host: {left:#?}");
    ensure!(subscriptions(&rig.rack, "r1u2")?.len() == 1, "the other host's stays");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bmcs_that_could_not_reach_the_server_are_not_asked_to() -> Result<()> {
    let rig = Rig::start(&RARELY, &RACK).await?;
    rig.deploy("r1u1").await?;
    ensure!(subscriptions(&rig.rack, "r1u1")?.is_empty(), "no address was configured");
    Ok(())
}
