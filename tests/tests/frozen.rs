//! A freeze in the middle of a write, on real parts: the image is written to its end, the host is not restarted, the server's
//! death changes nothing about it, and once it is lifted the same deployment ends.

use anyhow::{Context, Result, ensure};
use underlay_proto::v1 as pb;
use underlay_tests::{
    program,
    rack::{
        PATIENCE,
        client::phase,
        console,
        image::Image,
        needs,
        segment::Segment,
        server::Server,
        specs::{self, Dhcp, Ready},
    },
};

const MAC: &str = "52:54:00:11:00:01";

fn operate(server: &Server<'_>, arguments: &[&str]) -> Result<()> {
    let mut command = std::process::Command::new(program("underlay"));
    let output = command.args(arguments).env("UNDERLAY_ENDPOINT", server.socket()).output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn is_writing(machine: &pb::Machine) -> bool {
    let amount = machine.standing.as_ref().and_then(|standing| standing.amount);
    phase(machine) == "imaging" && amount.is_some_and(|amount| amount.done > 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_written_is_written_to_its_end_and_nothing_more() -> Result<()> {
    if !needs::met(&[]) {
        return Ok(());
    }
    let segment = Segment::new(&["tap0"])?;
    let mut server = Server::start(&segment, &["--imaging-patience", "20"]).await?;
    let client = server.client();
    client.put_network("boot", specs::network(Dhcp::Server, "")).await?;
    let image = Image::make(&server.images(), "small", 96)?;
    let reference = client.import("small", image.spec(), PATIENCE).await?;
    let host = client.put_host("r1", specs::qemu("tap0", MAC, "bios", "pxe", specs::SMALL)).await?;
    let directory = server.data().join("qemu").join(host.meta.context("a host has an id")?.id);
    let spec = specs::machine(&reference, "r1", Ready::Written);
    client.put_machine("web", spec, pb::PutOptions::default()).await?;

    client.machine_when("web", PATIENCE, is_writing).await?;
    operate(&server, &["freeze", "--all", "--reason", "switch work"])?;
    server.kill()?;
    server.start_again().await?;
    let held = client
        .machine_when("web", PATIENCE, |machine| {
            machine.standing.as_ref().is_some_and(|standing| standing.held.is_some())
        })
        .await?;
    ensure!(phase(&held) == "imaging", "it is {}", phase(&held));
    image.is_on(&directory.join("disk0.raw")).context("written to its end")?;
    // Longer than the server's patience with an agent that says nothing new.
    tokio::time::timeout(std::time::Duration::from_secs(25), client.machine_ready("web", PATIENCE))
        .await
        .expect_err("it stays as it is while it is frozen");
    let still = client.machine("web").await?;
    ensure!(phase(&still) == "imaging", "no deadline runs meanwhile: it is {}", phase(&still));
    let console = console::read(&directory.join("console.log")).await;
    ensure!(!console.contains(image.banner()), "the host was restarted:\n{console}");

    operate(&server, &["unfreeze", "--all"])?;
    let ready = client.machine_ready("web", PATIENCE).await?;
    ensure!(ready.status.context("a status")?.deployments == 1, "imaged once");
    console::says(&directory.join("console.log"), image.banner(), 1, PATIENCE).await?;
    let operations = client.operations("web").await?;
    ensure!(operations.len() == 1, "{operations:#?}");
    let console = console::read(&directory.join("console.log")).await;
    let agents = console.matches("underlay agent version=").count();
    ensure!(agents == 1, "{agents} agents booted");
    Ok(())
}
