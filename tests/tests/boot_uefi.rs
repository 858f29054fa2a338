//! A UEFI machine from power off to Debian: OVMF's own PXE, a loader by TFTP, then HTTP; its life without the server; and
//! UEFI HTTP Boot with and without a loader, up to a disk that is written.

use std::fs;

use anyhow::{Context, Result, ensure};
use underlay_proto::v1 as pb;
use underlay_tests::rack::{
    PATIENCE,
    client::phase,
    console,
    debian::{Way, counter, deploys_and_lives_alone},
    image::Image,
    needs, parts,
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
    Box::pin(deploys_and_lives_alone(Way { mode: "uefi", method: "pxe", loaders: 1 })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn firmware_that_boots_over_http_gets_the_agent_as_one_program() -> Result<()> {
    over_http(Program::Uki).await
}

#[tokio::test(flavor = "multi_thread")]
async fn firmware_that_boots_over_http_gets_a_loader_where_the_ramdisk_has_no_such_program() -> Result<()> {
    over_http(Program::Loader).await
}

/// What the firmware is told to fetch.
#[derive(Clone, Copy, PartialEq)]
enum Program {
    Uki,
    Loader,
}

/// Deploys by UEFI HTTP Boot: no file is asked for by TFTP.
async fn over_http(program: Program) -> Result<()> {
    if !needs::met(&[]) {
        return Ok(());
    }
    let segment = Segment::new(&["tap0"])?;
    let ramdisk = ramdisk(&segment, program)?;
    let server = Server::start(&segment, &["--ramdisk", &ramdisk]).await?;
    let client = server.client();
    client.put_network("boot", specs::network(Dhcp::Server, "")).await?;
    let image = Image::make(&server.images(), "small", 8)?;
    let reference = client.import("small", image.spec(), PATIENCE).await?;
    let host = client.put_host("r1", specs::qemu("tap0", MAC, "uefi", "http", specs::SMALL)).await?;
    let host = server.data().join("qemu").join(host.meta.context("a host has an id")?.id);
    client
        .put_machine("web", specs::machine(&reference, "r1", Ready::Written), pb::PutOptions::default())
        .await?;
    client.machine_when("web", PATIENCE, |machine| phase(machine) == "imaging").await?;
    let ready = client.machine_ready("web", PATIENCE).await?;
    let inventory =
        ready.status.and_then(|status| status.inventory).context("the agent left an inventory")?;
    ensure!(inventory.firmware == "uefi", "the agent booted by {}", inventory.firmware);
    ensure!(counter(&segment, "underlay_tftp_requests")? == 0, "a file was asked for by TFTP");
    let said = console::read(&host.join("console.log")).await;
    let (told, loader) =
        if program == Program::Uki { ("/v1/uki/", false) } else { ("/v1/loader/snponly.efi", true) };
    ensure!(said.contains(told), "the firmware was not told {told}");
    ensure!(said.contains("iPXE") == loader, "a loader ran, or none did, where it should not be so");
    image.is_on(&host.join("disk0.raw"))
}

/// The ramdisk with the program in it, or the same without.
fn ramdisk(segment: &Segment, program: Program) -> Result<String> {
    let whole = parts::ramdisk()?;
    ensure!(whole.join("boot.efi").exists(), "{} has no boot.efi", whole.display());
    let path = match program {
        Program::Uki => whole,
        Program::Loader => {
            let plain = segment.directory().join("plain");
            fs::create_dir(&plain).context("making a directory")?;
            for name in ["vmlinuz", "initrd"] {
                fs::copy(whole.join(name), plain.join(name)).context("copying the ramdisk")?;
            }
            plain
        }
    };
    path.into_os_string().into_string().ok().context("a path of text")
}
