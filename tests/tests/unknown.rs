//! Machines that nobody has enrolled get what their network says: the agent, their own disk, or nothing at all; and they
//! boot from us beside a DHCP server that is not ours.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use underlay_tests::rack::{
    GLANCE, PATIENCE, console,
    debian::counter,
    image::Image,
    needs, parts,
    segment::{Process, Segment},
    server::Server,
    specs::{self, Dhcp},
    vm::{Place, Start, Vm},
};

const MAC: &str = "52:54:00:99:00:01";
const OTHER: &str = "52:54:00:99:00:02";

#[tokio::test(flavor = "multi_thread")]
async fn it_is_discovered_where_the_network_says_so() -> Result<()> {
    if !needs::met(&[]) {
        return Ok(());
    }
    let segment = Segment::new(&["tap0"])?;
    let server = Server::start(&segment, &[]).await?;
    let client = server.client();
    client.put_network("boot", specs::network(Dhcp::Server, "discover")).await?;
    let _vm = Vm::start(&segment, "stranger", "tap0", MAC, Start::Bios, None)?;
    let found = client.discovers(MAC, PATIENCE).await?;
    let inventory = found.inventory.context("it says what it is")?;
    ensure!(inventory.firmware == "bios" && inventory.cpus == 1, "{inventory:#?}");
    ensure!(inventory.nics.iter().any(|nic| nic.mac == MAC && nic.boot && nic.link), "{inventory:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_its_own_disk_where_the_network_says_so() -> Result<()> {
    if !needs::met(&[]) {
        return Ok(());
    }
    let segment = Segment::new(&["tap0"])?;
    let server = Server::start(&segment, &[]).await?;
    server.client().put_network("boot", specs::network(Dhcp::Server, "local_disk")).await?;
    let own = Image::make(segment.directory(), "own", 4)?;
    let vm = Vm::start(&segment, "stranger", "tap0", MAC, Start::Bios, Some(own.path()))?;
    console::says(vm.console(), own.banner(), 1, PATIENCE).await?;
    ensure!(counter(&segment, "underlay_dhcp_offers")? > 0, "it was offered no address");
    ensure!(server.client().discovered().await?.is_empty(), "it was discovered");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_hears_nothing_where_the_network_ignores_it() -> Result<()> {
    if !needs::met(&[]) {
        return Ok(());
    }
    let segment = Segment::new(&["tap0"])?;
    let server = Server::start(&segment, &[]).await?;
    server.client().put_network("boot", specs::network(Dhcp::Server, "ignore")).await?;
    let own = Image::make(segment.directory(), "own", 4)?;
    let vm = Vm::start(&segment, "stranger", "tap0", MAC, Start::Bios, Some(own.path()))?;
    console::says(vm.console(), own.banner(), 1, PATIENCE).await?;
    ensure!(counter(&segment, "underlay_dhcp_ignored")? > 0, "it asked nobody");
    ensure!(counter(&segment, "underlay_dhcp_offers")? == 0, "it was offered something");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_boots_from_us_with_an_address_of_somebody_elses_dhcp_server() -> Result<()> {
    if !needs::met(&["dnsmasq"]) {
        return Ok(());
    }
    let segment = Segment::new(&["tap0", "tap1"])?;
    let neighbour = segment.neighbour("10.77.0.2/24")?;
    let _foreign = dnsmasq(neighbour.command("dnsmasq"))?;
    let server = Server::start(&segment, &[]).await?;
    let client = server.client();
    client.put_network("boot", specs::network(Dhcp::Proxy, "discover")).await?;
    let _bios = Vm::start(&segment, "bios", "tap0", MAC, Start::Bios, None)?;
    let _uefi = Vm::start(&segment, "uefi", "tap1", OTHER, Start::Uefi, None)?;
    for mac in [MAC, OTHER] {
        let inventory = client.discovers(mac, PATIENCE).await?.inventory.context("it says what it is")?;
        let nic = inventory.nics.iter().find(|nic| nic.mac == mac).context("it has that NIC")?;
        // The range is dnsmasq's; we give no addresses here.
        ensure!(nic.addresses.iter().any(|address| address.starts_with("10.77.0.5")), "{nic:#?}");
    }
    ensure!(counter(&segment, "underlay_dhcp_committed")? == 0, "we gave an address away");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_boots_from_us_behind_a_dhcp_relay() -> Result<()> {
    if !needs::met(&["dnsmasq"]) {
        return Ok(());
    }
    let segment = Segment::new(&[])?;
    let far = segment.beyond("10.78.0.1/24", "10.78.0.0/24", "tap0")?;
    let server = Server::start(&segment, &[]).await?;
    let client = server.client();
    client.put_network("near", specs::network(Dhcp::Server, "ignore")).await?;
    client.put_network("far", specs::relayed("10.78.0", "discover")).await?;
    let mut relay = far.command("dnsmasq");
    relay.args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file="]);
    let _relay = Process::start(relay.arg("--dhcp-relay=10.78.0.1,10.77.0.1"))?;
    let _vm = Vm::start(Place::beyond(&segment, &far), "stranger", "tap0", MAC, Start::Bios, None)?;
    let inventory = client.discovers(MAC, PATIENCE).await?.inventory.context("it says what it is")?;
    let nic = inventory.nics.iter().find(|nic| nic.mac == MAC).context("it has that NIC")?;
    ensure!(nic.addresses.iter().any(|address| address.starts_with("10.78.0.1")), "{nic:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_dhcp_server_where_we_are_to_be_alone_is_a_condition_of_the_network_and_a_metric()
-> Result<()> {
    if !needs::met(&["dnsmasq"]) {
        return Ok(());
    }
    let segment = Segment::new(&[])?;
    let neighbour = segment.neighbour("10.77.0.2/24")?;
    let server = Server::start(&segment, &[]).await?;
    server.client().put_network("boot", specs::network(Dhcp::Server, "ignore")).await?;
    let described = async |wanted: &[&str]| -> Result<()> {
        let until = std::time::Instant::now() + PATIENCE;
        loop {
            let mut describe = segment.command(parts::underlay()?);
            let output =
                describe.args(["describe", "network/boot"]).env("UNDERLAY_ENDPOINT", server.socket());
            let text = String::from_utf8(output.output()?.stdout)?;
            if wanted.iter().all(|word| text.contains(word)) {
                return Ok(());
            }
            ensure!(std::time::Instant::now() < until, "it never says {wanted:?}: {text}");
            tokio::time::sleep(GLANCE).await;
        }
    };
    described(&["OnlyDhcpServer", "good: true"]).await?;
    ensure!(counter(&segment, "underlay_dhcp_strangers")? == 0, "it takes itself for another");
    let _foreign = dnsmasq(neighbour.command("dnsmasq"))?;
    described(&["OnlyDhcpServer", "10.77.0.2 (it answered our own question)"]).await?;
    ensure!(counter(&segment, "underlay_dhcp_strangers")? == 1, "the metric says otherwise");
    Ok(())
}

/// A DHCP server that knows nothing of network boot.
fn dnsmasq(mut command: Command) -> Result<Process> {
    command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=eth0"]);
    command.args(["--bind-interfaces", "--dhcp-authoritative", "--user=root", "--pid-file="]);
    command.args(["--leasefile-ro", "--dhcp-range=10.77.0.50,10.77.0.59,255.255.255.0,1h"]);
    Process::start(&mut command)
}
