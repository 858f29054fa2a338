//! The UpdateService (DSP2046): which firmware there is, and an update as a task that takes its time and changes nothing.

use std::time::Duration;

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use super::{
    reply::{Reply, collection, healthy},
    service::Request,
    tasks,
};

const PATH: &str = "/redfish/v1/UpdateService";
/// How long an update takes.
const TAKES: Duration = Duration::from_secs(30);

pub(super) fn answer(request: &Request<'_>, rest: &[&str]) -> Reply {
    let model = request.machine.model;
    let firmware = [("BMC", model.bmc.firmware), ("BIOS", model.firmware)];
    match (&request.method, rest) {
        (&Method::GET, []) => Reply::ok(json!({
            "@odata.id": PATH,
            "@odata.type": "#UpdateService.v1_14_0.UpdateService",
            "Id": "UpdateService",
            "Name": "Update Service",
            "ServiceEnabled": true,
            "Status": healthy(),
            "FirmwareInventory": { "@odata.id": format!("{PATH}/FirmwareInventory") },
            "Actions": { "#UpdateService.SimpleUpdate": {
                "target": format!("{PATH}/Actions/UpdateService.SimpleUpdate"),
                "TransferProtocol@Redfish.AllowableValues": ["HTTP", "HTTPS"],
            } },
        })),
        (&Method::GET, ["FirmwareInventory"]) => {
            let members = firmware.map(|(id, _)| format!("{PATH}/FirmwareInventory/{id}"));
            let path = format!("{PATH}/FirmwareInventory");
            Reply::ok(collection(&path, "SoftwareInventoryCollection", "Firmware", &members))
        }
        (&Method::GET, ["FirmwareInventory", id]) => {
            match firmware.into_iter().find(|(known, _)| known == id) {
                Some((id, version)) => Reply::ok(json!({
                    "@odata.id": request.path,
                    "@odata.type": "#SoftwareInventory.v1_10_2.SoftwareInventory",
                    "Id": id,
                    "Name": format!("{id} firmware"),
                    "Version": version,
                    "Updateable": true,
                    "Status": healthy(),
                })),
                None => Reply::missing(&request.path),
            }
        }
        (&Method::POST, ["Actions", "UpdateService.SimpleUpdate"]) => {
            let uri = request.body.get("ImageURI");
            if uri.and_then(Value::as_str).is_none_or(str::is_empty) {
                return Reply::bad_value("ImageURI", uri.unwrap_or(&Value::Null));
            }
            let (location, body) = tasks::begin(request, "Firmware Update", TAKES);
            Reply {
                status: StatusCode::ACCEPTED,
                headers: vec![(header::LOCATION, location)],
                body,
                text: None,
            }
        }
        (&Method::GET, _) => Reply::missing(&request.path),
        _ => Reply::not_allowed(),
    }
}
