//! A rack that somebody switches on before anybody enrols it: every machine waits in its agent, is enrolled with its BMC, and is
//! deployed without being switched.

use anyhow::{Result, ensure};
use underlay_proto::v1 as pb;
use underlay_tests::{Simulated, rack::image::Image};

use crate::rig::{PATIENCE, Rig};

const MACHINES: usize = 40;

/// What asks from loopback and is no host boots the agent.
fn network() -> pb::NetworkSpec {
    let dhcp = pb::Dhcp { mode: "off".into(), ..pb::Dhcp::default() };
    pb::NetworkSpec {
        cidr: "127.0.0.0/8".into(),
        dhcp: Some(dhcp),
        unknown: "discover".into(),
        ..pb::NetworkSpec::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rack_that_was_switched_on_by_hand_is_deployed_with_no_other_boot_of_the_agent() -> Result<()> {
    let rack = Simulated::start(&["--machines", &MACHINES.to_string(), "--pace", "instant"]);
    let client = rack.client();
    client.put_network("rack", network()).await?;
    let small = Image::make(&rack.images(), "small", 4)?;
    let image = client.import("small", small.spec(), PATIENCE).await?;
    client.put_credential("bmc", "root", rack.password()).await?;
    let names: Vec<_> =
        rack.machines().iter().map(|machine| machine["name"].as_str().unwrap().to_owned()).collect();
    for name in &names {
        rack.at_the_rack(&["button", name]);
    }
    for machine in rack.machines() {
        let found = client.discovers(machine["boot_mac"].as_str().unwrap(), PATIENCE).await?;
        ensure!(found.conflict.is_empty() && found.network == "rack", "{found:?}");
        let inventory = found.inventory.unwrap_or_default();
        ensure!(inventory.serial == machine["serial"] && inventory.dimms.len() == 2, "{inventory:?}");
    }
    let rig = Rig { rack, client, image };
    let rig = &rig;
    rig.each(|name| async move {
        let machine = rig.rack.machines().iter().find(|machine| machine["name"] == *name).unwrap();
        rig.client.put_host(&name, rig.rack.host(machine)).await?;
        let waits = |host: &pb::Host| {
            let status = host.status.clone().unwrap_or_default();
            let is_free = host.standing.as_ref().is_some_and(|standing| standing.phase == "available");
            is_free && status.waiting_since.is_some() && status.inventory.is_some()
        };
        rig.client.host_when(&name, PATIENCE, waits).await?;
        rig.deploy(&name).await?;
        let seen = rig.rack.machine(&name);
        ensure!(seen["stage"] == "system" && seen["boots"] == 2, "it was switched: {seen:#}");
        Ok(())
    })
    .await?;
    ensure!(rig.client.discovered().await?.is_empty(), "they are hosts");
    Ok(())
}
