//! A machine that a person switches: the server says whom it waits for and what to type, `underlay host confirm` tells it,
//! and an agent that calls home needs nobody to say that its host is on. A host that runs is not let go, whatever was
//! said of it before.

use anyhow::{Context, Result};
use underlay_proto::v1 as pb;
use underlay_tests::rack::{
    PATIENCE,
    client::Client,
    console,
    image::Image,
    needs, parts,
    segment::{Segment, run},
    server::Server,
    specs::{self, Dhcp, Ready},
    vm::{Start, Vm},
};

const MAC: &str = "52:54:00:4e:df:18";
const OFF: &str = "somebody to switch host r1 off; then: underlay host confirm r1 --power off";
const ON: &str =
    "somebody to switch host r1 on, started from the network; then: underlay host confirm r1 --power on";

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_a_person_switches_is_deployed_and_let_go_when_they_say_so() -> Result<()> {
    if !needs::met(&[]) {
        return Ok(());
    }
    let segment = Segment::new(&["tap0"])?;
    let server = Server::start(&segment, &[]).await?;
    let client = server.client();
    client.put_network("boot", specs::network(Dhcp::Server, "")).await?;
    let image = Image::make(&server.images(), "small", 8)?;
    let reference = client.import("small", image.spec(), PATIENCE).await?;
    let driver = pb::host_spec::Driver::Manual(pb::ManualDriver::default());
    client.put_host("r1", specs::host(MAC, "bios", "pxe", driver)).await?;
    client.host_when("r1", PATIENCE, |host| power(host) == "unknown").await?;

    client
        .put_machine("web", specs::machine(&reference, "r1", Ready::Written), pb::PutOptions::default())
        .await?;
    waits_for(&client, OFF).await?;
    confirm(&server, "off")?;
    client.host_when("r1", PATIENCE, |host| power(host) == "off").await?;
    waits_for(&client, ON).await?;

    // Whoever switches it on goes home without a word.
    let disk = segment.directory().join("r1.disk");
    std::fs::File::create(&disk).and_then(|file| file.set_len(256 << 20)).context("making the disk")?;
    let vm = Vm::start(&segment, "r1", "tap0", MAC, Start::Bios, Some(&disk))?;
    client.machine_ready("web", PATIENCE).await?;
    console::says(vm.console(), image.banner(), 1, PATIENCE).await?;
    image.is_on(&disk)?;
    client.host_when("r1", PATIENCE, |host| power(host) == "on").await?;

    // The last word on it was "off", and it runs all the same.
    client.delete_machine("web").await?;
    waits_for(&client, OFF).await?;
    drop(vm);
    confirm(&server, "off")?;
    let is_gone = |machine: &pb::Machine| machine.meta.as_ref().is_some_and(|meta| meta.purged_at.is_some());
    client.machine_when("web", PATIENCE, is_gone).await?;
    Ok(())
}

async fn waits_for(client: &Client, whom: &str) -> Result<()> {
    let waits = |machine: &pb::Machine| {
        machine.standing.as_ref().is_some_and(|standing| standing.waiting_for == whom)
    };
    client.machine_when("web", PATIENCE, waits).await.map(drop)
}

/// What the text says to type.
fn confirm(server: &Server<'_>, power: &str) -> Result<()> {
    let mut underlay = std::process::Command::new(parts::underlay()?);
    underlay.args(["host", "confirm", "r1", "--power", power]).env("UNDERLAY_ENDPOINT", server.socket());
    run(&mut underlay)
}

fn power(host: &pb::Host) -> &str {
    host.status.as_ref().map_or("", |status| &status.power)
}
