//! Power by IPMI: ipmi_sim in front of a QEMU machine that boots the network when its BMC was told so, with ipmitool
//! reading what the server set. The password stands in no command line, no environment and no log.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use underlay_proto::v1 as pb;
use underlay_tests::rack::{
    PATIENCE,
    client::phase,
    console,
    image::Image,
    ipmi::{Bmc, PASSWORD, USER},
    needs,
    segment::Segment,
    server::Server,
    specs::{self, Dhcp, Ready},
};

const MAC: &str = "52:54:00:4e:df:17";

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_behind_an_ipmi_bmc_is_imaged_once_and_starts_from_its_disk() -> Result<()> {
    if !needs::met(&["ipmi_sim", "ipmitool"]) {
        return Ok(());
    }
    let segment = Segment::new(&["tap0"])?;
    let bmc = Bmc::start(&segment, "tap0", MAC, specs::SMALL)?;
    let server = Server::start(&segment, &[]).await?;
    let client = server.client();
    client.put_network("boot", specs::network(Dhcp::Server, "")).await?;
    let image = Image::make(&server.images(), "small", 8)?;
    let reference = client.import("small", image.spec(), PATIENCE).await?;
    client.put_credential("bmc", USER, PASSWORD.into()).await?;
    let ipmi = pb::IpmiDriver {
        address: bmc.address().into(),
        credential: "bmc".into(),
        ..pb::IpmiDriver::default()
    };
    let driver = pb::host_spec::Driver::Ipmi(ipmi);
    client.put_host("r1", specs::host(MAC, "bios", "pxe", driver)).await?;
    let seen = client.host_when("r1", PATIENCE, |host| power(host) == "off").await?;
    let conditions = seen.status.context("a host has a status")?.conditions;
    ensure!(conditions.iter().any(|held| held.name == "Reachable" && held.good), "{conditions:#?}");

    client
        .put_machine("web", specs::machine(&reference, "r1", Ready::Written), pb::PutOptions::default())
        .await?;
    client.machine_when("web", PATIENCE, |machine| phase(machine) == "imaging").await?;
    secret_stands_nowhere()?;
    ensure!(bmc.tool("power status")?.contains("is on"), "ipmitool says otherwise");
    let ready = client.machine_ready("web", PATIENCE).await?;
    let flags = bmc.tool("chassis bootparam get 5")?;
    ensure!(flags.contains("Force Boot from default Hard-Drive"), "{flags}");
    console::says(&bmc.console(), image.banner(), 1, PATIENCE).await?;
    let deployments = ready.status.context("a machine has a status")?.deployments;
    ensure!(deployments == 1, "imaged {deployments} times");
    image.is_on(&bmc.disk())?;
    ensure!(
        bmc.asked().matches("power").count() == 1,
        "it was switched on and nothing else:\n{}",
        bmc.asked()
    );

    // Power by hand: off, and on again from the disk.
    client.power("r1", pb::power_request::Action::Off).await?;
    client.host_when("r1", PATIENCE, |host| power(host) == "off").await?;
    ensure!(bmc.tool("power status")?.contains("is off"), "ipmitool says otherwise");
    client.power("r1", pb::power_request::Action::On).await?;
    console::says(&bmc.console(), image.banner(), 2, PATIENCE).await?;
    let said = console::read(&bmc.console()).await;
    ensure!(said.matches("underlay agent").count() <= 1, "it booted the agent again");
    secret_stands_nowhere()?;
    let log = tokio::fs::read_to_string(server.log()).await.context("reading the server's log")?;
    ensure!(!log.contains(PASSWORD), "the BMC's password stands in the log");
    Ok(())
}

/// No process on this machine has the password in its arguments or its environment.
fn secret_stands_nowhere() -> Result<()> {
    let processes = fs::read_dir("/proc").context("listing processes")?.flatten();
    let mut looked_at = 0;
    for process in processes.map(|entry| entry.path()).filter(|path| path.join("cmdline").exists()) {
        for name in ["cmdline", "environ"] {
            // One may have ended meanwhile.
            let Ok(bytes) = fs::read(process.join(name)) else { continue };
            looked_at += usize::from(!bytes.is_empty());
            let shows = bytes.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes());
            ensure!(!shows, "the BMC's password stands in {}", Path::new(&process).join(name).display());
        }
    }
    ensure!(looked_at > 2, "no process could be looked at");
    Ok(())
}

fn power(host: &pb::Host) -> &str {
    host.status.as_ref().map_or("", |status| &status.power)
}
