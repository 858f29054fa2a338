//! A machine that nobody enrolled is switched on by hand, appears, becomes a host by a pool's rule, and is deployed by
//! `terraform apply` through the agent that has waited in its RAM since: it boots the agent once, and no more.

use std::fs::File;

use anyhow::{Context, Result, ensure};
use underlay_tests::{
    Terraform,
    rack::{
        PATIENCE, console,
        image::Image,
        needs,
        segment::{Process, Segment},
        server::Server,
        specs::{self, Dhcp, SMALL},
        vm::{Start, Vm},
    },
};

const MAC: &str = "52:54:00:d1:5c:01";
/// What its firmware says of it.
const FIRMWARE: &str = "type=1,manufacturer=Acme Corp.,product=Box 9000,serial=UL-0042,uuid=6f1c7c1e-6d0a-4b8e-9b57-0c9a3e5d1f42";
/// The first words of an agent.
const AGENT: &str = "underlay agent version=";

/// A switch that says who it is by LLDP, more often than real ones.
const SWITCH: &str = r#"
import socket, struct, sys, time
tlv = lambda kind, value: struct.pack("!H", kind << 9 | len(value)) + value
port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
port.bind((sys.argv[1], 0))
head = bytes.fromhex("0180c200000e" "02005e000001" "88cc")
body = tlv(1, b"\x04\x02\x00\x5e\x00\x00\x01") + tlv(2, b"\x05Ethernet1/7") + tlv(3, b"\x00\x78")
while True:
    try:
        port.send(head + body + tlv(5, b"leaf-1") + tlv(0, b""))
    except OSError:
        pass
    time.sleep(1)
"#;

fn hcl(image: &str) -> String {
    format!(
        r#"
        resource "underlay_pool" "lab" {{
          name = "lab"
          bind = [
            {{
              match  = {{ network = "boot", vendor = "acme*", product = "box 9*", cpus = 1, memory = "400MiB" }}
              labels = {{ found = "yes" }}
            }},
          ]
        }}

        resource "underlay_image" "small" {{
          name = "small"
          {image}
        }}

        resource "underlay_machine" "web" {{
          name     = "web"
          image    = underlay_image.small.id
          require  = {{ pool = underlay_pool.lab.name, labels = {{ found = "yes" }} }}
          wait_for = "written"
        }}

        resource "underlay_ready" "web" {{
          machines = [underlay_machine.web.id]
        }}
        "#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_machine_is_bound_by_a_rule_and_deployed_without_another_boot() -> Result<()> {
    if !needs::met(&["python3"]) {
        return Ok(());
    }
    let segment = Segment::new(&["tap0"])?;
    let server = Server::start(&segment, &[]).await?;
    let client = server.client();
    let _switch = Process::start(segment.command("python3").args(["-c", SWITCH, "tap0"]))?;
    client.put_network("boot", specs::network(Dhcp::Server, "discover")).await?;
    let disk = segment.directory().join("stranger.raw");
    File::create(&disk).and_then(|file| file.set_len(SMALL.disk << 20)).context("making a disk")?;
    let drive = format!("if=none,id=d0,format=raw,cache=unsafe,file={}", disk.display());
    let boot = "virtio-blk-pci,drive=d0,serial=DISK-1,bootindex=1";
    let devices = ["-smbios", FIRMWARE, "-drive", &drive, "-device", boot];
    let nic = ("virtio-net-pci", MAC);
    let vm = Vm::with((&segment).into(), "stranger", "tap0", nic, Start::Bios, &devices)?;
    let found = client.discovers(MAC, PATIENCE).await?;
    let inventory = found.inventory.clone().context("it says what it is")?;
    ensure!(found.network == "boot" && found.waiting, "{found:?}");
    ensure!(found.conflict.is_empty(), "{found:?}");
    ensure!(inventory.serial == "UL-0042" && inventory.vendor == "Acme Corp.", "{inventory:?}");

    let image = Image::make(&server.images(), "small", 8)?;
    let Some(terraform) = Terraform::at(server.socket()) else { return Ok(()) };
    terraform.configure(&hcl(&image.hcl()));
    terraform.apply().expect(0);
    image.is_on(&disk)?;
    terraform.plan().expect(0);

    let host = client.host("ul-0042").await?;
    let (spec, status) = (host.spec.context("a spec")?, host.status.context("a status")?);
    ensure!(spec.pool == "lab" && spec.labels.get("found").is_some_and(|it| it == "yes"), "{spec:?}");
    ensure!(status.machine == "web", "{status:?}");
    let inventory = status.inventory.clone().context("an inventory")?;
    let neighbour =
        inventory.nics.iter().find_map(|nic| nic.neighbour.clone()).context("a switch was heard")?;
    ensure!(neighbour.system == "leaf-1" && neighbour.port == "Ethernet1/7", "{neighbour:?}");
    ensure!(neighbour.chassis == "02:00:5e:00:00:01", "{neighbour:?}");
    ensure!(inventory.dimms.iter().map(|dimm| dimm.size_bytes).sum::<u64>() == 512 << 20, "{inventory:?}");
    ensure!(inventory.pci.iter().any(|pci| pci.device.starts_with("1af4:")), "{:?}", inventory.pci);
    ensure!(status.waiting_since.is_none(), "nobody waits any more: {status:?}");
    ensure!(client.discovered().await?.is_empty(), "it is listed as unknown still");

    // It left for its disk, and the agent was started once for all that.
    console::says(vm.console(), image.banner(), 1, PATIENCE).await?;
    let said = console::read(vm.console()).await;
    ensure!(said.matches(AGENT).count() == 1, "the agent was booted again:\n{said}");
    ensure!(said.contains("there is work for this machine"), "{said}");
    Ok(())
}
