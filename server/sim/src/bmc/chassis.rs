//! The Chassis: the sheet metal (DSP2046, `Chassis`).

use serde_json::json;

use super::{
    adapters,
    reply::{Reply, collection, healthy},
    service::Request,
};
use crate::machine::Power;

pub(super) fn answer(request: &Request<'_>, rest: &[&str]) -> Reply {
    if !request.is_get() {
        return Reply::not_allowed();
    }
    match rest {
        [] => {
            let members = [request.chassis()];
            Reply::ok(collection("/redfish/v1/Chassis", "ChassisCollection", "Chassis", &members))
        }
        [_] => show(request),
        [_, "NetworkAdapters", rest @ ..] => adapters::answer(request, rest),
        _ => Reply::missing(&request.path),
    }
}

fn show(request: &Request<'_>) -> Reply {
    let hardware = request.machine.hardware();
    let on = request.machine.state().power == Power::On;
    Reply::ok(json!({
        "@odata.id": request.chassis(),
        "@odata.type": "#Chassis.v1_23_0.Chassis",
        "Id": hardware.model.bmc.chassis,
        "Name": "Chassis",
        "ChassisType": "RackMount",
        "Manufacturer": hardware.model.manufacturer,
        "Model": hardware.model.product,
        "SerialNumber": hardware.serial,
        "UUID": hardware.uuid.to_string(),
        "PowerState": if on { "On" } else { "Off" },
        "Location": { "Placement": { "Rack": format!("r{}", hardware.rack) }, "Info": hardware.name },
        "Status": healthy(),
        "NetworkAdapters": { "@odata.id": format!("{}/NetworkAdapters", request.chassis()) },
        "Links": {
            "ComputerSystems": [{ "@odata.id": request.system() }],
            "ManagedBy": [{ "@odata.id": request.manager() }],
        },
    }))
}
