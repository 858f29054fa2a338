//! A rack whose firmware asks our DHCP server for an address and a boot file, as through a relay, and fetches the loader
//! over our TFTP or HTTP server before it goes on to the scripts: through whole deployments, in a namespace of its own.
//!
//! Server, relay and BMCs are on that namespace's loopback, under addresses of one boot network.

use anyhow::{Context, Result, ensure};
use underlay_proto::v1 as pb;
use underlay_tests::{
    Simulated,
    rack::{needs, segment::Segment},
};

use crate::rig::{PATIENCE, Rig};

const SERVER: &str = "10.78.0.1";
const RELAY: &str = "10.78.0.2";

fn network() -> pb::NetworkSpec {
    let dhcp = pb::Dhcp {
        mode: "server".into(),
        interface: "lo".into(),
        range_first: "10.78.0.100".into(),
        range_last: "10.78.0.199".into(),
        ..pb::Dhcp::default()
    };
    pb::NetworkSpec { cidr: "10.78.0.0/24".into(), dhcp: Some(dhcp), ..pb::NetworkSpec::default() }
}

/// What the server has counted under that name.
fn counted(segment: &Segment, rig: &Rig, name: &str) -> Result<u64> {
    let (_, text) =
        segment.http(&format!("http://{}/metrics", rig.rack.address("UNDERLAY_METRICS")), None)?;
    let line = text
        .lines()
        .filter_map(|line| line.strip_prefix(name))
        .find_map(|rest| rest.trim_start_matches("_total").split_whitespace().last()?.parse::<f64>().ok());
    Ok(line.with_context(|| format!("nothing is called {name} in\n{text}"))? as u64)
}

/// Firmware of each kind in turn: UEFI over PXE, UEFI over HTTP, BIOS over PXE.
fn firmware(mut spec: pb::HostSpec) -> pb::HostSpec {
    let (mode, method) = match turn(&spec) {
        0 => ("uefi", "pxe"),
        1 => ("uefi", "http"),
        _ => ("bios", "pxe"),
    };
    spec.boot = Some(pb::HostBoot { mode: mode.into(), methods: vec![method.into()], ..Default::default() });
    spec
}

fn turn(spec: &pb::HostSpec) -> u32 {
    // It ends in the machine's place in the rack.
    let serial = spec.identity.as_ref().map_or("", |identity| &identity.serial);
    serial.chars().last().and_then(|digit| digit.to_digit(16)).unwrap_or_default() % 3
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rack_boots_over_our_dhcp_tftp_and_http_servers() -> Result<()> {
    if !needs::met(&[]) {
        return Ok(());
    }
    let segment = Segment::new(&[])?;
    for address in [SERVER, RELAY] {
        segment.ip(&format!("address add {address}/24 dev lo"))?;
    }
    let dhcp = format!("{SERVER}:67");
    let arguments = ["--machines", "9", "--pace", "instant", "--dhcp", &dhcp, "--relay", RELAY];
    let rack = Simulated::on(&segment, SERVER, &[], &arguments);
    rack.client().put_network("boot", network()).await?;
    let rig = Rig::enrol(rack, firmware).await?;
    let rig = &rig;
    rig.each(|name| async move {
        let deployed = rig.deploy(&name).await;
        let seen = rig.rack.machine(&name);
        deployed.with_context(|| format!("{seen:#}\n{}", rig.rack.log("serve.log")))?;
        ensure!(seen["stage"] == "system" && seen["boots"] == 2, "{seen:#}");
        Ok(())
    })
    .await?;

    // Firmware and iPXE each ask for an offer and then for the address; what boots its own disk asks nobody.
    for name in ["underlay_dhcp_offers", "underlay_dhcp_acks"] {
        ensure!(counted(&segment, rig, name)? >= 18, "{name} is {}", counted(&segment, rig, name)?);
    }
    ensure!(counted(&segment, rig, "underlay_dhcp_malformed")? == 0, "what firmware sends is sound");
    let by_tftp = rig.rack.machines().iter().filter(|machine| turn(&rig.rack.host(machine)) != 1).count();
    let loaders = counted(&segment, rig, "underlay_tftp_completed")?;
    ensure!(by_tftp < 9 && loaders == by_tftp as u64, "{loaders} loaders by TFTP for {by_tftp} machines");

    rig.each(|name| async move {
        rig.client.delete_machine(&name).await?;
        let free = |host: &pb::Host| host.status.as_ref().is_some_and(|status| status.machine.is_empty());
        rig.client.host_when(&name, PATIENCE, free).await.map(drop)
    })
    .await
}

#[test]
fn a_relay_without_its_port_is_told_at_once() {
    if !needs::met(&[]) {
        return;
    }
    let mut rack = std::process::Command::new(underlay_tests::rack::parts::underlay().unwrap());
    let directory = tempfile::TempDir::with_prefix("underlay-relay-").unwrap();
    // TEST-NET-1 is nobody's.
    rack.args(["sim", "--bmc-port", "0", "--dhcp", "127.0.0.1:67", "--relay", "192.0.2.1", "--dir"]);
    let output = rack.arg(directory.path().join("rack")).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("cannot listen on 192.0.2.1:67"), "{error}");
}
