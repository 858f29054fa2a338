//! Whole deployments of Debian under what a good day does not bring; `make e2e-full` runs them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use underlay_proto::v1 as pb;
use underlay_tests::rack::{
    PATIENCE,
    client::{Client, phase},
    console,
    debian::{Way, debian, debian_with_storage, deploys_and_lives_alone},
    ipmi::{Bmc, PASSWORD, USER},
    needs,
    parts::{printed, script, underlay},
    redfish::Bmcs,
    segment::{Segment, run},
    server::Server,
    specs::{self, Dhcp, Ready},
    vm::{Place, Start, Vm},
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
    Box::pin(deploys_and_lives_alone(Way { mode: "uefi", method: "http", loaders: 0 })).await
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

/// What a machine says of its volumes when it is up: a file of noise on each, made where there is none.
const TELL: &str = r#"#cloud-config
runcmd:
- - sh
  - -c
  - |
    for volume in data scratch; do
        test -e /srv/$volume/noise || head -c 20000000 /dev/urandom >/srv/$volume/noise
        sync
        echo "VOLUME $volume $(sha256sum </srv/$volume/noise | cut -c1-64) $(findmnt -no LABEL,FSTYPE /srv/$volume | xargs)" >/dev/console
    done
    echo "GROUP $(pvs --noheadings -o vg_name | xargs)" >/dev/console
"#;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: make e2e-full"]
async fn debian_with_lvm_on_two_disks_is_imaged_again_and_its_data_is_there_byte_for_byte() -> Result<()> {
    if !needs::met(&["mmdebstrap"]) {
        return Ok(());
    }
    let segment = Segment::new(&["tap0"])?;
    let server = Server::start(&segment, &["--start-patience", "1200"]).await?;
    let client = server.client();
    let began = std::time::Instant::now();
    let story = |what: &str| eprintln!("volumes: {:6.1} s {what}", began.elapsed().as_secs_f64());
    client.put_network("boot", specs::network(Dhcp::Server, "")).await?;
    let image = client.import("debian", debian_with_storage(&server)?, WHOLE).await?;
    let driver = pb::host_spec::Driver::Manual(pb::ManualDriver::default());
    client.put_host("r1", specs::host(MAC, "bios", "pxe", driver)).await?;
    story("image imported");
    put(&client, &image, 1).await?;
    let first = deployed(&segment, &server, &client, 1).await?;
    story("deployed once");
    put(&client, &image, 2).await?;
    let second = deployed(&segment, &server, &client, 2).await?;
    story("deployed twice");
    let of = |said: &[String], volume: &str| said.iter().find(|line| line.starts_with(volume)).cloned();
    ensure!(
        of(&first, "data").is_some() && of(&first, "data") == of(&second, "data"),
        "{first:?} {second:?}"
    );
    ensure!(of(&first, "data").is_some_and(|line| line.ends_with(" data ext4")), "{first:?}");
    // What is not preserved was made anew, on a disk with sectors of 4096 bytes.
    ensure!(of(&second, "scratch").is_some_and(|line| line.ends_with(" scratch ext4")), "{second:?}");
    ensure!(of(&first, "scratch") != of(&second, "scratch"), "{first:?} {second:?}");
    Ok(())
}

/// The machine with its volumes; a higher generation images it again.
async fn put(client: &Client, image: &str, generation: i64) -> Result<()> {
    let disk = |serial: &str| pb::RootHint { serial: serial.into(), ..pb::RootHint::default() };
    let data = pb::Volume {
        disks: vec![disk("DATA-1"), disk("DATA-2")],
        layout: "lvm".into(),
        mount: "/srv/data".into(),
        ..pb::Volume::default()
    };
    let scratch = pb::Volume {
        disks: vec![disk("WIDE-1")],
        mount: "/srv/scratch".into(),
        erase: true,
        ..pb::Volume::default()
    };
    let spec = pb::MachineSpec {
        root: Some(disk("ROOT-1")),
        volumes: [("data".to_owned(), data), ("scratch".to_owned(), scratch)].into(),
        allow_disruption: "erase_all".into(),
        redeploy: Some(pb::Redeploy { on: vec!["image".into()], generation }),
        ..specs::machine(image, "r1", Ready::Booted)
    };
    let request =
        pb::PutMachineRequest { spec: Some(spec), user_data: Some(TELL.into()), ..Default::default() };
    client.put_machine_as("web", request).await.map(drop)
}

/// Switches the host off and on as the server wants it, and waits until the machine is ready; what it says of its volumes.
async fn deployed(
    segment: &Segment,
    server: &Server<'_>,
    client: &Client,
    times: u64,
) -> Result<Vec<String>> {
    let waits = |what: &'static str| {
        move |machine: &pb::Machine| {
            machine.standing.as_ref().is_some_and(|standing| standing.waiting_for.contains(what))
        }
    };
    client.machine_when("web", PATIENCE, waits("switch host r1 off")).await?;
    let mut off = std::process::Command::new(underlay()?);
    off.args(["host", "confirm", "r1", "--power", "off"]).env("UNDERLAY_ENDPOINT", server.socket());
    run(&mut off)?;
    client.machine_when("web", PATIENCE, waits("switch host r1 on")).await?;
    let name = format!("r1-{times}");
    let devices = disks(segment)?;
    let devices: Vec<&str> = devices.iter().map(String::as_str).collect();
    let vm = Vm::with(Place::from(segment), &name, "tap0", ("virtio-net-pci", MAC), Start::Bios, &devices)?;
    let settled = |machine: &pb::Machine| {
        let done = machine.status.as_ref().is_some_and(|status| status.deployments == times);
        phase(machine) == "failed" || (done && phase(machine) == "ready")
    };
    let machine = client.machine_when("web", WHOLE, settled).await?;
    let said = console::read(vm.console()).await;
    let end: Vec<_> = said.lines().rev().take(30).collect();
    ensure!(phase(&machine) == "ready", "{:#?}\n{end:#?}", machine.standing);
    let lines = said.lines().filter_map(|line| line.split("VOLUME ").nth(1));
    let told: Vec<String> = lines.map(|line| line.trim().to_owned()).collect();
    ensure!(told.len() == 2, "{told:?}\n{end:#?}");
    ensure!(said.contains("GROUP underlay-data underlay-data"), "{end:#?}");
    Ok(told)
}

/// A root disk, two for data and one with sectors of 4096 bytes; the same files each time.
fn disks(segment: &Segment) -> Result<Vec<String>> {
    let mut words = vec!["-device".to_owned(), "virtio-scsi-pci,id=s0".to_owned()];
    for (at, (serial, mib, device)) in [
        ("ROOT-1", 4096, "virtio-blk-pci,bootindex=1"),
        ("DATA-1", 256, "virtio-blk-pci"),
        ("DATA-2", 256, "virtio-blk-pci"),
        ("WIDE-1", 256, "scsi-hd,bus=s0.0,logical_block_size=4096,physical_block_size=4096"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = segment.directory().join(serial);
        let file = std::fs::OpenOptions::new().create(true).write(true).truncate(false).open(&path);
        file.and_then(|file| file.set_len(mib << 20)).context("making a disk")?;
        words.push("-drive".into());
        words.push(format!("if=none,id=d{at},format=raw,cache=unsafe,file={}", path.display()));
        words.push("-device".into());
        words.push(format!("{device},drive=d{at},serial={serial}"));
    }
    Ok(words)
}
