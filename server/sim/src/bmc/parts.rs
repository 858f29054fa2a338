//! What a system is made of: processors, memory modules, NICs, storage (DSP2046).

use serde_json::{Value, json};

use super::{
    reply::{Reply, collection, healthy},
    service::Request,
};
use crate::{
    machine::{Hardware, Power},
    models::NicsWhileOff,
};

pub(super) fn answer(request: &Request<'_>, rest: &[&str]) -> Reply {
    if !request.is_get() {
        return Reply::not_allowed();
    }
    let hardware = request.machine.hardware();
    let path = request.path.as_str();
    let found = match rest {
        [_, "Processors"] => Some(list(path, "ProcessorCollection", "Processors", hardware.model.sockets)),
        [_, "Processors", id] => processor(&hardware, path, id),
        [_, "Memory"] => Some(list(path, "MemoryCollection", "Memory", hardware.model.modules)),
        [_, "Memory", id] => module(&hardware, path, id),
        [_, "EthernetInterfaces"] => {
            let nics = nics(request, &hardware);
            Some(list(path, "EthernetInterfaceCollection", "Ethernet Interfaces", nics))
        }
        [_, "EthernetInterfaces", id] => nic(request, &hardware, path, id),
        [_, "Storage"] => Some(list(path, "StorageCollection", "Storage", 1)),
        [_, "Storage", "1"] => Some(storage(&hardware, path)),
        [_, "Storage", "1", "Volumes"] => Some(list(path, "VolumeCollection", "Volumes", 0)),
        [_, "Storage", "1", "Drives", id] => drive(&hardware, path, id),
        [_, "SimpleStorage"] => Some(list(path, "SimpleStorageCollection", "Simple Storage", 1)),
        [_, "SimpleStorage", "1"] => Some(simple_storage(&hardware, path)),
        _ => None,
    };
    found.map_or_else(|| Reply::missing(path), Reply::ok)
}

pub(super) fn list(path: &str, kind: &str, name: &str, count: u32) -> Value {
    let members: Vec<String> = (1..=count).map(|id| format!("{path}/{id}")).collect();
    collection(path, kind, name, &members)
}

/// `id` as a place in a list of `count`, from 0.
pub(super) fn place(id: &str, count: u32) -> Option<usize> {
    let id: u32 = id.parse().ok()?;
    usize::try_from(id.checked_sub(1).filter(|place| *place < count)?).ok()
}

fn processor(hardware: &Hardware, path: &str, id: &str) -> Option<Value> {
    place(id, hardware.model.sockets)?;
    Some(json!({
        "@odata.id": path,
        "@odata.type": "#Processor.v1_18_0.Processor",
        "Id": id,
        "Name": format!("CPU {id}"),
        "Socket": format!("CPU{id}"),
        "ProcessorType": "CPU",
        "ProcessorArchitecture": "x86",
        "InstructionSet": "x86-64",
        "Manufacturer": if hardware.model.cpu.starts_with("AMD") { "AMD" } else { "Intel" },
        "Model": hardware.model.cpu,
        "MaxSpeedMHz": 3400,
        "TotalCores": hardware.model.cores,
        "TotalThreads": hardware.model.cores * 2,
        "Status": healthy(),
    }))
}

fn module(hardware: &Hardware, path: &str, id: &str) -> Option<Value> {
    place(id, hardware.model.modules)?;
    let mib = hardware.model.memory_gib * 1024 / u64::from(hardware.model.modules.max(1));
    Some(json!({
        "@odata.id": path,
        "@odata.type": "#Memory.v1_17_1.Memory",
        "Id": id,
        "Name": format!("DIMM {id}"),
        "CapacityMiB": mib,
        "MemoryDeviceType": "DDR4",
        "MemoryType": "DRAM",
        "OperatingSpeedMhz": 3200,
        "Status": healthy(),
    }))
}

/// How many NICs are listed now.
pub(super) fn nics(request: &Request<'_>, hardware: &Hardware) -> u32 {
    let off = request.machine.state().power == Power::Off;
    match hardware.model.bmc.nics_while_off {
        NicsWhileOff::Hidden if off => 0,
        _ => u32::from(hardware.model.nics),
    }
}

fn nic(request: &Request<'_>, hardware: &Hardware, path: &str, id: &str) -> Option<Value> {
    let place = place(id, nics(request, hardware))?;
    let mac = hardware.macs.get(place)?.to_string().to_uppercase();
    let link = place == 0;
    Some(json!({
        "@odata.id": path,
        "@odata.type": "#EthernetInterface.v1_10_0.EthernetInterface",
        "Id": id,
        "Name": format!("NIC {id}"),
        "MACAddress": mac,
        "PermanentMACAddress": mac,
        "LinkStatus": if link { "LinkUp" } else { "NoLink" },
        "SpeedMbps": if link { json!(hardware.model.nic_mbps) } else { Value::Null },
        "Status": healthy(),
    }))
}

fn storage(hardware: &Hardware, path: &str) -> Value {
    let drives: Vec<Value> =
        (1..=hardware.disks.len()).map(|id| json!({ "@odata.id": format!("{path}/Drives/{id}") })).collect();
    json!({
        "@odata.id": path,
        "@odata.type": "#Storage.v1_15_0.Storage",
        "Id": "1",
        "Name": "Storage",
        "Drives": drives,
        "Drives@odata.count": drives.len(),
        "StorageControllers": [{
            "@odata.id": format!("{path}#/StorageControllers/0"),
            "MemberId": "0",
            "Name": "Controller",
            "SupportedControllerProtocols": ["PCIe"],
            "SupportedDeviceProtocols": ["NVMe", "SATA"],
            "Status": healthy(),
        }],
        "Volumes": { "@odata.id": format!("{path}/Volumes") },
        "Status": healthy(),
    })
}

fn drive(hardware: &Hardware, path: &str, id: &str) -> Option<Value> {
    let place = place(id, u32::try_from(hardware.disks.len()).ok()?)?;
    let (disk, identity) = (hardware.model.disks.get(place)?, hardware.disks.get(place)?);
    Some(json!({
        "@odata.id": path,
        "@odata.type": "#Drive.v1_17_0.Drive",
        "Id": id,
        "Name": format!("Drive {id}"),
        "Model": disk.model,
        "SerialNumber": identity.serial,
        "CapacityBytes": disk.gib << 30,
        "BlockSizeBytes": 512,
        "MediaType": if disk.kind == "hdd" { "HDD" } else { "SSD" },
        "Protocol": if disk.kind == "nvme" { "NVMe" } else { "SATA" },
        "Identifiers": [{ "DurableName": identity.wwn.trim_start_matches("0x").to_uppercase(), "DurableNameFormat": "NAA" }],
        "Status": healthy(),
    }))
}

fn simple_storage(hardware: &Hardware, path: &str) -> Value {
    let devices: Vec<Value> = hardware
        .model
        .disks
        .iter()
        .map(|disk| {
            json!({
                "Name": disk.model,
                "Model": disk.model,
                "CapacityBytes": disk.gib << 30,
                "Status": healthy(),
            })
        })
        .collect();
    json!({
        "@odata.id": path,
        "@odata.type": "#SimpleStorage.v1_3_1.SimpleStorage",
        "Id": "1",
        "Name": "Simple Storage",
        "Devices": devices,
        "Status": healthy(),
    })
}
