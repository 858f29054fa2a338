//! A UEFI machine from power off to Debian: OVMF's own PXE, a loader by TFTP, then HTTP; its life without the server; and
//! UEFI HTTP Boot up to the agent's call home.

use anyhow::{Context, Result, ensure};
use underlay_proto::v1 as pb;
use underlay_tests::rack::{
    PATIENCE,
    client::phase,
    console,
    debian::{Way, counter, deploys_and_lives_alone},
    image::Image,
    needs,
    segment::Segment,
    server::Server,
    specs::{self, Dhcp, Ready},
};

const MAC: &str = "52:54:00:0e:f1:01";

#[tokio::test(flavor = "multi_thread")]
async fn debian_is_deployed_and_starts_from_its_own_disk_when_the_server_is_gone() -> Result<()> {
    if !needs::met(&["mmdebstrap", "ssh", "python3"]) {
        return Ok(());
    }
    deploys_and_lives_alone(Way { mode: "uefi", method: "pxe", loaders: 1 }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn firmware_that_boots_over_http_reaches_the_agent_without_tftp() -> Result<()> {
    if !needs::met(&[]) {
        return Ok(());
    }
    let segment = Segment::new(&["tap0"])?;
    let server = Server::start(&segment, &[]).await?;
    let client = server.client();
    client.put_network("boot", specs::network(Dhcp::Server, "")).await?;
    let image = Image::make(&server.images(), "small", 8)?;
    let reference = client.import("small", image.spec(), PATIENCE).await?;
    let host = client.put_host("r1", specs::qemu("tap0", MAC, "uefi", "http", specs::SMALL)).await?;
    let disk = server.data().join("qemu").join(host.meta.context("a host has an id")?.id).join("disk0.raw");
    client
        .put_machine("web", specs::machine(&reference, "r1", Ready::Written), pb::PutOptions::default())
        .await?;
    client.machine_when("web", PATIENCE, |machine| phase(machine) == "imaging").await?;
    let ready = client.machine_ready("web", PATIENCE).await?;
    let inventory =
        ready.status.and_then(|status| status.inventory).context("the agent left an inventory")?;
    ensure!(inventory.firmware == "uefi", "the agent booted by {}", inventory.firmware);
    ensure!(counter(&segment, "underlay_tftp_requests")? == 0, "a file was asked for by TFTP");
    let console = disk.with_file_name("console.log");
    ensure!(!console::read(&console).await.contains("iPXE"), "it came by a loader and not as one program");
    image.is_on(&disk)
}
