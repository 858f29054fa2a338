//! Power by Redfish: sushy-tools over HTTPS in front of a libvirt machine, its certificate pinned when first seen, its
//! login a credential of the server.
//!
//! The emulator keeps a boot override of "Once" as if it were "Continuous", as some BMCs do: a machine that the server
//! did not set back to its disk would boot the agent for ever.

use anyhow::{Context, Result, ensure};
use underlay_proto::v1 as pb;
use underlay_tests::rack::{
    PATIENCE,
    client::phase,
    console,
    image::Image,
    needs,
    redfish::Bmcs,
    segment::Segment,
    server::Server,
    specs::{self, Dhcp, Ready},
};

const MAC: &str = "52:54:00:4e:df:01";

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_behind_a_redfish_bmc_is_imaged_once_and_starts_from_its_disk() -> Result<()> {
    if !needs::met(&["libvirtd", "virsh", "openssl"]) {
        return Ok(());
    }
    let segment = Segment::new(&[])?;
    let bmcs = Bmcs::start(&segment)?;
    let system = bmcs.define("metal", MAC)?;
    let login = bmcs.login()?;
    let server = Server::start(&segment, &[]).await?;
    let client = server.client();
    client.put_network("boot", specs::network(Dhcp::Server, "")).await?;
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
    let driver = pb::host_spec::Driver::Redfish(redfish);
    client.put_host("r1", specs::host(MAC, "bios", "pxe", driver)).await?;
    let seen = client.host_when("r1", PATIENCE, |host| power(host) == "off").await?;
    let conditions = seen.status.context("a host has a status")?.conditions;
    ensure!(conditions.iter().any(|held| held.name == "Reachable" && held.good), "{conditions:#?}");

    client
        .put_machine("web", specs::machine(&reference, "r1", Ready::Written), pb::PutOptions::default())
        .await?;
    client.machine_when("web", PATIENCE, |machine| phase(machine) == "imaging").await?;
    ensure!(bmcs.power("metal")? == "running", "libvirt says {}", bmcs.power("metal")?);
    let ready = client.machine_ready("web", PATIENCE).await?;
    console::says(&bmcs.console("metal"), image.banner(), 1, PATIENCE).await?;
    let deployments = ready.status.context("a machine has a status")?.deployments;
    ensure!(deployments == 1, "imaged {deployments} times");
    image.is_on(&bmcs.disk("metal"))?;

    // Power by hand: off, and on again from the disk.
    client.power("r1", pb::power_request::Action::Off).await?;
    client.host_when("r1", PATIENCE, |host| power(host) == "off").await?;
    ensure!(bmcs.power("metal")? == "shut off", "libvirt says {}", bmcs.power("metal")?);
    client.power("r1", pb::power_request::Action::On).await?;
    // libvirt begins the file anew at each power-on.
    console::says(&bmcs.console("metal"), image.banner(), 1, PATIENCE).await?;
    let said = console::read(&bmcs.console("metal")).await;
    ensure!(!said.contains("underlay agent"), "it booted the agent again");
    let log = tokio::fs::read_to_string(server.log()).await.context("reading the server's log")?;
    ensure!(!log.contains(&login.password), "the BMC's password stands in the log");
    Ok(())
}

fn power(host: &pb::Host) -> &str {
    host.status.as_ref().map_or("", |status| &status.power)
}
