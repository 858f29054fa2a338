//! Whole deployments of Debian under what a good day does not bring; `make e2e-full` runs them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use underlay_proto::v1 as pb;
use underlay_tests::rack::{
    PATIENCE,
    client::{Client, phase},
    console,
    debian::{Way, debian, deploys_and_lives_alone},
    ipmi::{Bmc, PASSWORD, USER},
    needs,
    parts::{printed, script},
    redfish::Bmcs,
    segment::Segment,
    server::Server,
    specs::{self, Dhcp, Ready},
};

const WHOLE: Duration = Duration::from_secs(1500);
const MAC: &str = "52:54:00:5c:00:01";

/// A network, a host, and Debian on its way to it.
async fn begin(server: &Server<'_>, client: &Client) -> Result<()> {
    begin_on(server, client, specs::qemu("tap0", MAC, "bios", "pxe", specs::LARGE)).await
}

async fn begin_on(server: &Server<'_>, client: &Client, host: pb::HostSpec) -> Result<()> {
    client.put_network("boot", specs::network(Dhcp::Server, "")).await?;
    let image = client.import("debian", debian(server)?, WHOLE).await?;
    client.put_host("r1", host).await?;
    let spec = specs::machine(&image, "r1", Ready::Booted);
    client.put_machine("web", spec, pb::PutOptions::default()).await?;
    Ok(())
}

/// One operation, one deployment, and nothing that failed on the way.
async fn is_deployed_once(client: &Client) -> Result<()> {
    let machine = client.machine_ready("web", WHOLE).await?;
    let deployments = machine.status.map_or(0, |status| status.deployments);
    ensure!(deployments == 1, "imaged {deployments} times");
    let operations = client.operations("web").await?;
    ensure!(operations.len() == 1, "{operations:#?}");
    let only = operations.first().context("one operation")?;
    ensure!(only.finished_at.is_some() && only.failure.is_none(), "{only:#?}");
    let imagings = only.steps.iter().filter(|step| step.phase == "imaging").count();
    ensure!(imagings == 1, "imaging was entered {imagings} times");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: make e2e-full"]
async fn debian_comes_to_its_login_on_a_uefi_machine_that_boots_over_http() -> Result<()> {
    if !needs::met(&["mmdebstrap", "ssh", "python3"]) {
        return Ok(());
    }
    deploys_and_lives_alone(Way { mode: "uefi", method: "http", loaders: 0 }).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: make e2e-full"]
async fn debian_comes_to_its_login_behind_an_ipmi_bmc() -> Result<()> {
    if !needs::met(&["mmdebstrap", "ipmi_sim"]) {
        return Ok(());
    }
    let segment = Segment::new(&["tap0"])?;
    let bmc = Bmc::start(&segment, "tap0", MAC, specs::LARGE)?;
    let server = Server::start(&segment, &["--start-patience", "1200"]).await?;
    let client = server.client();
    client.put_credential("bmc", USER, PASSWORD.into()).await?;
    let (address, credential) = (bmc.address().into(), "bmc".into());
    let ipmi = pb::IpmiDriver { address, credential, ..pb::IpmiDriver::default() };
    let began = std::time::Instant::now();
    begin_on(&server, &client, specs::host(MAC, "bios", "pxe", pb::host_spec::Driver::Ipmi(ipmi))).await?;
    for word in ["imaging", "starting", "ready"] {
        let reached = |machine: &pb::Machine| [word, "ready", "failed"].contains(&phase(machine));
        client.machine_when("web", WHOLE, reached).await?;
        eprintln!("ipmi: {:6.1} s {word}", began.elapsed().as_secs_f64());
    }
    is_deployed_once(&client).await?;
    console::says(&bmc.console(), "login:", 1, WHOLE).await?;
    eprintln!("ipmi: {:6.1} s login", began.elapsed().as_secs_f64());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: make e2e-full"]
async fn debian_arrives_though_the_server_is_killed_every_few_seconds() -> Result<()> {
    if !needs::met(&["mmdebstrap"]) {
        return Ok(());
    }
    let segment = Segment::new(&["tap0"])?;
    let mut server = Server::start(&segment, &["--start-patience", "1200"]).await?;
    let client = server.client();
    begin(&server, &client).await?;
    let mut deaths = 0;
    loop {
        // From death to death it gets a little less or more time, so that deaths fall everywhere.
        tokio::time::sleep(Duration::from_millis(2000 + deaths * 1700 % 7000)).await;
        let machine = client.machine("web").await?;
        ensure!(phase(&machine) != "failed", "{machine:#?}");
        if phase(&machine) == "ready" {
            break;
        }
        server.kill()?;
        deaths += 1;
        eprintln!("death {deaths} in {}", phase(&machine));
        server.start_again().await?;
    }
    ensure!(deaths >= 5, "it only died {deaths} times");
    is_deployed_once(&client).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: make e2e-full"]
async fn debian_arrives_with_the_store_on_postgres() -> Result<()> {
    if !needs::met(&["mmdebstrap"]) {
        return Ok(());
    }
    let segment = Segment::new(&["tap0"])?;
    let directory = segment.directory().join("postgres");
    std::fs::create_dir(&directory).context("making a directory")?;
    let url = printed(segment.command(script("postgres.sh")).arg("up").arg(&directory))?;
    let url = url.to_str().context("a URL is text")?;
    let mut server = Server::start(&segment, &["--start-patience", "1200", "--database", url]).await?;
    let client = server.client();
    begin(&server, &client).await?;
    client.machine_when("web", WHOLE, |machine| phase(machine) == "imaging").await?;
    server.kill()?;
    server.start_again().await?;
    is_deployed_once(&client).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: make e2e-full"]
async fn debian_comes_by_virtual_media_to_a_uefi_machine_where_nobody_answers_dhcp() -> Result<()> {
    if !needs::met(&["mmdebstrap", "libvirtd", "virsh", "openssl", "grub-mkrescue", "xorriso", "mformat"]) {
        return Ok(());
    }
    const ADDRESS: &str = "10.77.0.42/24";
    let segment = Segment::new(&[])?;
    let bmcs = Bmcs::start(&segment)?;
    let system = bmcs.define_as("metal", MAC, ["uefi", "4096", "1024"])?;
    let login = bmcs.login()?;
    let server =
        Server::start(&segment, &["--start-patience", "1200", "--boot-address", "10.77.0.1"]).await?;
    let client = server.client();
    let began = std::time::Instant::now();
    let story = |what: &str| eprintln!("virtual media: {:6.1} s {what}", began.elapsed().as_secs_f64());
    client.put_network("boot", specs::network(Dhcp::Off, "")).await?;
    let image = client.import("debian", debian(&server)?, WHOLE).await?;
    client.put_credential("bmc", &login.user, login.password.clone()).await?;
    story("image imported");
    let redfish = pb::RedfishDriver {
        address: login.address,
        credential: "bmc".into(),
        tls: "pin".into(),
        system,
        ..pb::RedfishDriver::default()
    };
    let mut host = specs::host(MAC, "uefi", "virtual_media", pb::host_spec::Driver::Redfish(redfish));
    if let Some(boot) = &mut host.boot {
        boot.address = ADDRESS.into();
    }
    client.put_host("r1", host).await?;
    let on_boot = pb::LinkAddress { cidrs: vec![ADDRESS.into()], ..pb::LinkAddress::default() };
    let network =
        pb::MachineNetwork { addresses: [("boot".to_owned(), on_boot)].into(), ..Default::default() };
    let spec = pb::MachineSpec { network: Some(network), ..specs::machine(&image, "r1", Ready::Booted) };
    client.put_machine("web", spec, pb::PutOptions::default()).await?;
    for word in ["booting", "imaging", "starting"] {
        let reached = |machine: &pb::Machine| [word, "ready", "failed"].contains(&phase(machine));
        client.machine_when("web", WHOLE, reached).await?;
        story(word);
    }
    is_deployed_once(&client).await?;
    story("Debian called home");
    let status = client.machine("web").await?.status.context("a machine has a status")?;
    let inventory = status.inventory.context("the agent left an inventory")?;
    ensure!(inventory.firmware == "uefi", "the agent booted by {}", inventory.firmware);
    console::says(&bmcs.console("metal"), "login:", 1, PATIENCE).await?;
    story("login");
    Ok(())
}
