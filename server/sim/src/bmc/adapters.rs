//! The network adapter in the chassis: its firmware, its ports, and the switch at the other end of a port as LLDP tells it
//! (DSP2046, `NetworkAdapter` and `Port`).
//!
//! Only the first port is wired, and it has a link while the machine is on. A BMC that hides NICs while the machine is
//! off hides these ports too.

use serde_json::{Value, json};

use super::{
    parts::{list, nics, place},
    reply::{Reply, healthy},
    service::Request,
};
use crate::machine::{Hardware, Power};

/// What the adapter's firmware calls itself.
const FIRMWARE: &str = "22.41.1000";

/// `rest` is what follows `NetworkAdapters`.
pub(super) fn answer(request: &Request<'_>, rest: &[&str]) -> Reply {
    let hardware = request.machine.hardware();
    let path = request.path.as_str();
    let found = match rest {
        [] => Some(list(path, "NetworkAdapterCollection", "Network Adapters", 1)),
        ["1"] => Some(adapter(&hardware, path)),
        ["1", "Ports"] => Some(list(path, "PortCollection", "Ports", nics(request, &hardware))),
        ["1", "Ports", id] => port(request, &hardware, path, id),
        _ => None,
    };
    found.map_or_else(|| Reply::missing(path), Reply::ok)
}

fn adapter(hardware: &Hardware, path: &str) -> Value {
    let manufacturer = match hardware.model.nic_driver {
        "mlx5_core" => "Mellanox",
        "bnxt_en" | "tg3" => "Broadcom",
        _ => "Intel",
    };
    json!({
        "@odata.id": path,
        "@odata.type": "#NetworkAdapter.v1_11_0.NetworkAdapter",
        "Id": "1",
        "Name": "Network Adapter",
        "Manufacturer": manufacturer,
        "Model": format!("{} ports of {} Mbit/s", hardware.model.nics, hardware.model.nic_mbps),
        "SerialNumber": format!("{}N1", hardware.serial),
        "Controllers": [{ "FirmwarePackageVersion": FIRMWARE }],
        "Ports": { "@odata.id": format!("{path}/Ports") },
        "Status": healthy(),
    })
}

fn port(request: &Request<'_>, hardware: &Hardware, path: &str, id: &str) -> Option<Value> {
    let place = place(id, nics(request, hardware))?;
    let mac = hardware.macs.get(place)?.to_string().to_uppercase();
    let link = place == 0 && request.machine.state().power == Power::On;
    let mut ethernet = json!({ "AssociatedMACAddresses": [mac] });
    if link && let Some(ethernet) = ethernet.as_object_mut() {
        ethernet.insert("LLDPReceive".into(), neighbour(hardware));
    }
    Some(json!({
        "@odata.id": path,
        "@odata.type": "#Port.v1_11_0.Port",
        "Id": id,
        "Name": format!("Port {id}"),
        "PortId": id,
        "LinkNetworkTechnology": "Ethernet",
        "LinkStatus": if link { "LinkUp" } else { "LinkDown" },
        "CurrentSpeedGbps": if link { f64::from(hardware.model.nic_mbps) / 1000.0 } else { 0.0 },
        "Ethernet": ethernet,
        "Status": healthy(),
    }))
}

/// The switch of the rack, and the port that the machine's place has there.
fn neighbour(hardware: &Hardware) -> Value {
    let [_, high, middle, low] = hardware.rack.to_be_bytes();
    let place = hardware.name.rsplit('u').next().unwrap_or_default();
    json!({
        "ChassisId": format!("06:00:00:{high:02x}:{middle:02x}:{low:02x}"),
        "ChassisIdSubtype": "MacAddr",
        "PortId": format!("Ethernet{place}"),
        "PortIdSubtype": "IfName",
        "SystemName": format!("r{}-switch", hardware.rack),
    })
}
