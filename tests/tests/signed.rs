//! A machine whose firmware starts nothing but what a site signed itself: it boots the agent over HTTP as one signed
//! program, is deployed, and starts neither what was changed in that program nor one without a signature.

use std::{fs, process::Command};

use anyhow::{Context, Result, ensure};
use underlay_proto::v1 as pb;
use underlay_tests::rack::{
    PATIENCE,
    client::{Client, phase},
    console,
    image::Image,
    needs, parts,
    segment::{Segment, run},
    server::Server,
    site::Site,
    specs::{self, Dhcp, Ready},
    vm::{Start, Vm},
};

const MAC: &str = "52:54:00:5e:c0:01";
const STRANGERS: [&str; 2] = ["52:54:00:5e:c0:02", "52:54:00:5e:c0:03"];
/// What OVMF says of a program that it does not start.
const REFUSED: &str = "Access Denied";
/// What the agent says first.
const AGENT: &str = "underlay agent";

#[tokio::test(flavor = "multi_thread")]
async fn under_secure_boot_the_signed_agent_deploys_and_nothing_else_starts() -> Result<()> {
    if !needs::met(&["openssl", "sbsign"]) {
        return Ok(());
    }
    let segment = Segment::new(&["tap0"])?;
    let site = Site::new(&segment)?;
    let ramdisk = site.ramdisk.to_str().context("a path of text")?;
    let server = Server::start(&segment, &["--ramdisk", ramdisk]).await?;
    site.sign(&server)?;
    let client = server.client();
    client.put_network("boot", specs::network(Dhcp::Server, "discover")).await?;
    let image = Image::make(&server.images(), "small", 8)?;
    let reference = client.import("small", image.spec(), PATIENCE).await?;
    let driver = pb::host_spec::Driver::Manual(pb::ManualDriver::default());
    client.put_host("r1", specs::host(MAC, "uefi", "http", driver)).await?;
    client
        .put_machine("web", specs::machine(&reference, "r1", Ready::Written), pb::PutOptions::default())
        .await?;
    for (waits, power) in [("to switch host r1 off", "off"), ("to switch host r1 on", "")] {
        waits_for(&client, waits).await?;
        if !power.is_empty() {
            confirm(&server, power)?;
        }
    }

    let disk = segment.directory().join("r1.disk");
    fs::File::create(&disk).and_then(|file| file.set_len(256 << 20)).context("making the disk")?;
    let vm = Vm::start(&segment, "r1", "tap0", MAC, Start::Secure(&site.vars), Some(&disk))?;
    client.machine_when("web", PATIENCE, |machine| phase(machine) == "imaging").await?;
    let ready = client.machine_ready("web", PATIENCE).await?;
    let inventory =
        ready.status.and_then(|status| status.inventory).context("the agent left an inventory")?;
    ensure!(inventory.firmware == "uefi", "the agent booted by {}", inventory.firmware);
    image.is_on(&disk)?;
    let said = console::read(vm.console()).await;
    ensure!(said.contains(AGENT) && !said.contains(REFUSED), "it did not start at once: {said}");
    drop(vm);

    site.change(&site.signed())?;
    refuses(&segment, &site, "changed", STRANGERS[0]).await?;
    fs::remove_file(site.signed()).context("removing the signed program")?;
    refuses(&segment, &site, "unsigned", STRANGERS[1]).await
}

/// A machine with the site's key in its firmware starts nothing that it is served now.
async fn refuses(segment: &Segment, site: &Site, name: &str, mac: &str) -> Result<()> {
    let vm = Vm::start(segment, name, "tap0", mac, Start::Secure(&site.vars), None)?;
    console::says(vm.console(), REFUSED, 1, PATIENCE).await?;
    let said = console::read(vm.console()).await;
    ensure!(said.contains("/v1/uki/"), "{name}: it was refused something else: {said}");
    ensure!(!said.contains(AGENT), "{name}: it ran: {said}");
    Ok(())
}

async fn waits_for(client: &Client, whom: &str) -> Result<()> {
    let waits = |machine: &pb::Machine| {
        machine.standing.as_ref().is_some_and(|standing| standing.waiting_for.contains(whom))
    };
    client.machine_when("web", PATIENCE, waits).await.map(drop)
}

fn confirm(server: &Server<'_>, power: &str) -> Result<()> {
    let mut underlay = Command::new(parts::underlay()?);
    underlay.args(["host", "confirm", "r1", "--power", power]).env("UNDERLAY_ENDPOINT", server.socket());
    run(&mut underlay)
}
