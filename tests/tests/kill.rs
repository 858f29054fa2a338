//! Faults of a deployment on real parts: the server is killed in every phase of it, the host loses power in the middle of
//! a write, tokens are stolen.
//!
//! The installed system is a boot sector, so the test itself calls the one-time URL that it reads from the disk.

use anyhow::{Context, Result, ensure};
use underlay_proto::v1 as pb;
use underlay_tests::rack::{
    PATIENCE,
    client::{Client, phase},
    console,
    image::{Image, phone_home_path},
    needs,
    segment::Segment,
    server::Server,
    specs::{self, Dhcp, Ready},
    vm::{Start, Vm},
};

const MAC: &str = "52:54:00:11:00:01";
const URL: &str = "http://10.77.0.1:7480";

/// A segment's network, an image of that many MiB, and a BIOS host that is on.
async fn furnish(server: &Server<'_>, mebibytes: usize) -> Result<(Image, String, std::path::PathBuf)> {
    let client = server.client();
    client.put_network("boot", specs::network(Dhcp::Server, "")).await?;
    let image = Image::make(&server.images(), "small", mebibytes)?;
    let reference = client.import("small", image.spec(), PATIENCE).await?;
    let host = client.put_host("r1", specs::qemu("tap0", MAC, "bios", "pxe", specs::SMALL)).await?;
    let directory = server.data().join("qemu").join(host.meta.context("a host has an id")?.id);
    Ok((image, reference, directory))
}

fn done(machine: &pb::Machine) -> u64 {
    machine.standing.as_ref().and_then(|standing| standing.amount).map_or(0, |amount| amount.done)
}

fn deployments(machine: &pb::Machine) -> u64 {
    machine.status.as_ref().map_or(0, |status| status.deployments)
}

/// Wait for `seen`, kill the server that moment, start it again, and say in which phase it woke up.
async fn die(
    server: &mut Server<'_>,
    client: &Client,
    seen: impl FnMut(&pb::Machine) -> bool,
    woke: &mut Vec<String>,
) -> Result<()> {
    let machine = client.machine_when("web", PATIENCE, seen).await?;
    server.kill()?;
    let killed_in = phase(&machine).to_owned();
    server.start_again().await?;
    let now = client.machine("web").await?;
    eprintln!("killed in {killed_in} at {} bytes, woke in {}", done(&machine), phase(&now));
    woke.push(killed_in);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_in_every_phase_carries_the_same_operation_on() -> Result<()> {
    if !needs::met(&[]) {
        return Ok(());
    }
    let segment = Segment::new(&["tap0"])?;
    let mut server = Server::start(&segment, &[]).await?;
    let client = server.client();
    let (image, reference, host) = furnish(&server, 160).await?;
    // On, so that switching it off is work.
    client.power("r1", pb::power_request::Action::On).await?;
    client
        .put_machine("web", specs::machine(&reference, "r1", Ready::Booted), pb::PutOptions::default())
        .await?;

    let mut woke = Vec::new();
    for word in ["powering_off", "powering_on", "booting", "imaging"] {
        die(&mut server, &client, |machine| phase(machine) == word, &mut woke).await?;
    }
    let operation = client.operations("web").await?.first().context("an operation runs")?.id.clone();
    let size = 160 << 20;
    for share in [1, 3, 6] {
        let far = |machine: &pb::Machine| phase(machine) == "imaging" && done(machine) >= size / 10 * share;
        die(&mut server, &client, far, &mut woke).await?;
    }
    die(&mut server, &client, |machine| phase(machine) == "starting", &mut woke).await?;

    console::says(&host.join("console.log"), image.banner(), 1, PATIENCE).await?;
    let url = format!("{URL}{}", phone_home_path(&host.join("disk0.raw"))?);
    let (code, body) = segment.http(&url, Some("pub_key_ed25519=ssh-ed25519+AAAA+root@web"))?;
    ensure!(code == 200, "the one-time URL answers {code}: {body}");
    let ready = client.machine_ready("web", PATIENCE).await?;
    die(&mut server, &client, |machine| phase(machine) == "ready", &mut woke).await?;

    ensure!(deployments(&ready) == 1, "imaged {} times", deployments(&ready));
    image.is_on(&host.join("disk0.raw"))?;
    let operations = client.operations("web").await?;
    ensure!(operations.len() == 1, "{operations:#?}");
    let only = operations.first().context("one operation")?;
    ensure!(only.id == operation && only.finished_at.is_some() && only.failure.is_none(), "{only:#?}");
    let imagings = only.steps.iter().filter(|step| step.phase == "imaging").count();
    ensure!(imagings == 1, "imaging was entered {imagings} times");
    let agents = console::read(&host.join("console.log")).await.matches("underlay agent version=").count();
    ensure!(agents == 1, "{agents} agents booted");
    let (code, _) = segment.http(&url, Some("pub_key_ed25519=ssh-ed25519+AAAA+root@web"))?;
    ensure!(code == 403, "the one-time URL answers {code} a second time");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_loses_power_in_mid_write_fails_and_is_imaged_when_asked_again() -> Result<()> {
    if !needs::met(&[]) {
        return Ok(());
    }
    let segment = Segment::new(&["tap0"])?;
    let server = Server::start(&segment, &["--imaging-patience", "20"]).await?;
    let client = server.client();
    let (image, reference, host) = furnish(&server, 96).await?;
    let spec = specs::machine(&reference, "r1", Ready::Written);
    client.put_machine("web", spec.clone(), pb::PutOptions::default()).await?;
    let writing = |machine: &pb::Machine| phase(machine) == "imaging" && done(machine) > 0;
    client.machine_when("web", PATIENCE, writing).await?;
    segment.cut_power()?;

    let failed = client.machine_when("web", PATIENCE, |machine| phase(machine) == "failed").await?;
    let failure = failed.standing.and_then(|standing| standing.failure).context("it says why")?;
    ensure!(failure.why.contains("bytes were written"), "{failure:#?}");
    let status = failed.status.context("a machine has a status")?;
    ensure!(
        status.deployments == 0 && status.deployed_image.is_empty(),
        "nothing whole is on the disk: {status:#?}"
    );

    let incarnation = failed.meta.context("a machine has an incarnation")?.incarnation;
    let again = pb::PutOptions { incarnation, retry: true, ..pb::PutOptions::default() };
    client.put_machine("web", spec, again).await?;
    client.machine_when("web", PATIENCE, |machine| phase(machine) != "failed").await?;
    let ready = client.machine_ready("web", PATIENCE).await?;
    ensure!(deployments(&ready) == 1, "imaged {} times", deployments(&ready));
    console::says(&host.join("console.log"), image.banner(), 1, PATIENCE).await?;
    image.is_on(&host.join("disk0.raw"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_token_is_refused_and_quarantines_the_host() -> Result<()> {
    if !needs::met(&[]) {
        return Ok(());
    }
    let segment = Segment::new(&["tap0", "tap1"])?;
    let server = Server::start(&segment, &[]).await?;
    let client = server.client();
    let (_, reference, host) = furnish(&server, 8).await?;
    client
        .put_machine("web", specs::machine(&reference, "r1", Ready::Booted), pb::PutOptions::default())
        .await?;
    client.machine_when("web", PATIENCE, |machine| phase(machine) == "booting").await?;
    // Who is on the segment can ask for the script of any MAC: that is what its token proves, and no more.
    let (code, script) = segment.http(&format!("{URL}/v1/ipxe/{MAC}"), None)?;
    ensure!(code == 200, "the script's URL answers {code}");
    let line =
        script.lines().find(|line| line.starts_with("kernel ")).context("the script starts a kernel")?;
    let words =
        line.split(" || ").next().and_then(|line| line.splitn(3, ' ').nth(2)).context("it has words")?;
    let token = words.split(' ').find_map(|word| word.strip_prefix("underlay.token=")).context("a token")?;

    let foreign = client.redeem("c0ffee").await.expect_err("nobody granted it");
    ensure!(foreign.code() == tonic::Code::PermissionDenied, "{foreign}");
    client.machine_when("web", PATIENCE, |machine| phase(machine) == "starting").await?;
    let ramdisk = underlay_tests::rack::parts::ramdisk()?;
    let (kernel, initrd) = (ramdisk.join("vmlinuz"), ramdisk.join("initrd"));
    // By now the host runs its boot sector, which needs no network: its MAC is free to be forged.
    let thief = Vm::start(&segment, "thief", "tap1", MAC, Start::Kernel(&kernel, &initrd, words), None)?;

    let quarantined = client
        .host_when("r1", PATIENCE, |host| {
            host.standing.as_ref().is_some_and(|standing| standing.phase == "quarantined")
        })
        .await?;
    let conditions = quarantined.status.context("a host has a status")?.conditions;
    let condition =
        conditions.iter().find(|condition| condition.name == "Quarantined").context("a condition")?;
    ensure!(!condition.good && condition.reason.contains("token"), "{condition:#?}");
    console::says(thief.console(), "no identity", 1, PATIENCE).await?;

    // The token is worth nothing to anybody any more, and least of all when the machine is ready.
    let replayed = client.redeem(token).await.expect_err("it was redeemed by another key");
    ensure!(replayed.code() == tonic::Code::PermissionDenied, "{replayed}");
    let path = phone_home_path(&host.join("disk0.raw"))?;
    segment.http(&format!("{URL}{path}"), Some("instance_id=1"))?;
    let replayed = client.redeem(token).await.expect_err("it has had its day");
    ensure!(replayed.code() == tonic::Code::PermissionDenied, "{replayed}");
    let log = tokio::fs::read_to_string(server.log()).await.context("reading the server's log")?;
    ensure!(!log.contains(token), "the token stands in the log");
    Ok(())
}
