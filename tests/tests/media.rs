//! Starting without a boot network: virtual media through Redfish, by sushy-tools in front of a libvirt machine, to an image
//! on its disk; and a USB stick that any machine may be booted from.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use underlay_proto::v1 as pb;
use underlay_tests::rack::{
    PATIENCE,
    client::phase,
    console,
    image::Image,
    needs, parts,
    redfish::Bmcs,
    segment::Segment,
    server::Server,
    specs::{self, Dhcp, Ready},
    vm::{Start, Vm},
};

const MAC: &str = "52:54:00:4e:d1:01";
const OTHER: &str = "52:54:00:4e:d1:02";
/// Nobody gives addresses there.
const ADDRESS: &str = "10.77.0.42";
const PROGRAMS: [&str; 6] = ["libvirtd", "virsh", "openssl", "grub-mkrescue", "xorriso", "mformat"];

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_is_deployed_by_virtual_media_on_a_network_without_dhcp() -> Result<()> {
    if !needs::met(&PROGRAMS) {
        return Ok(());
    }
    let segment = Segment::new(&[])?;
    let bmcs = Bmcs::start(&segment)?;
    let system = bmcs.define("metal", MAC)?;
    let login = bmcs.login()?;
    let server = Server::start(&segment, &["--boot-address", "10.77.0.1"]).await?;
    let client = server.client();
    client.put_network("boot", specs::network(Dhcp::Off, "")).await?;
    let image = Image::make(&server.images(), "small", 8)?;
    let reference = client.import("small", image.spec(), PATIENCE).await?;
    client.put_credential("bmc", &login.user, login.password.clone()).await?;
    let redfish = pb::RedfishDriver {
        address: login.address,
        credential: "bmc".into(),
        tls: "pin".into(),
        system,
        ..pb::RedfishDriver::default()
    };
    let mut host = specs::host(MAC, "bios", "virtual_media", pb::host_spec::Driver::Redfish(redfish));
    if let Some(boot) = &mut host.boot {
        boot.address = format!("{ADDRESS}/24");
    }
    client.put_host("r1", host).await?;

    client
        .put_machine("web", specs::machine(&reference, "r1", Ready::Written), pb::PutOptions::default())
        .await?;
    client.machine_when("web", PATIENCE, |machine| phase(machine) == "imaging").await?;
    let ready = client.machine_ready("web", PATIENCE).await?;
    let status = ready.status.context("a machine has a status")?;
    let nics = status.inventory.context("the agent left an inventory")?.nics;
    let address =
        nics.iter().find(|nic| nic.mac == MAC).map(|nic| nic.addresses.join(" ")).unwrap_or_default();
    ensure!(address.contains(ADDRESS), "the agent had {address}");
    console::says(&bmcs.console("metal"), image.banner(), 1, PATIENCE).await?;
    image.is_on(&bmcs.disk("metal"))?;

    let definition = bmcs.definition("metal")?;
    ensure!(!definition.contains("cdrom"), "the image is still in the drive: {definition}");
    let log = tokio::fs::read_to_string(server.log()).await.context("reading the server's log")?;
    ensure!(!log.contains("/v1/media/"), "the address of the image stands in the log");
    let (_, metrics) = segment.http("http://127.0.0.1:7481/metrics", None)?;
    let given =
        |line: &&str| line.starts_with("underlay_dhcp_acks") || line.starts_with("underlay_tftp_requests");
    ensure!(
        metrics.lines().filter(given).all(|line| line.ends_with(" 0")),
        "a boot server was asked: {metrics}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stick_brings_any_machine_to_the_agent_under_bios_and_uefi() -> Result<()> {
    if !needs::met(&PROGRAMS[3..]) {
        return Ok(());
    }
    let segment = Segment::new(&["tap0", "tap1"])?;
    let server = Server::start(&segment, &[]).await?;
    let client = server.client();
    // Addresses, and nothing to boot.
    client.put_network("boot", specs::network(Dhcp::Server, "local_disk")).await?;
    let stick = segment.directory().join("stick.img");
    let mut make = segment.command(parts::underlay()?);
    make.args(["ramdisk", "iso", "--url", "http://10.77.0.1:7480", "--ramdisk"]).arg(parts::ramdisk()?);
    run(make.arg("--output").arg(&stick))?;
    let drive = format!("if=none,id=stick,format=raw,readonly=on,file={}", stick.display());
    let devices =
        ["-device", "qemu-xhci", "-drive", &drive, "-device", "usb-storage,drive=stick,bootindex=0"];
    let nic = |mac| ("virtio-net-pci", mac);
    let _bios = Vm::with((&segment).into(), "bios", "tap0", nic(MAC), Start::BiosOther, &devices)?;
    let _uefi = Vm::with((&segment).into(), "uefi", "tap1", nic(OTHER), Start::UefiOther, &devices)?;
    for (mac, firmware) in [(MAC, "bios"), (OTHER, "uefi")] {
        let inventory = client.discovers(mac, PATIENCE).await?.inventory.context("it says what it is")?;
        ensure!(inventory.firmware == firmware, "{mac} was booted by {}", inventory.firmware);
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().context("making the stick")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(said.contains("the server's CA certificate has SHA-256 "), "{said}");
    Ok(())
}
