//! The Manager: the BMC itself, and its virtual drives (DSP2046, `Manager` and `VirtualMedia`). Media can be inserted and
//! ejected; a machine boots from its virtual CD (`boot::media`).

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    reply::{Reply, collection, healthy},
    service::Request,
};
use crate::models::{Media, Screen};

mod screen;

/// The drive that machines boot from.
pub(super) const CD: &str = "Cd";
/// The virtual drives, with the media types they take.
const DRIVES: [(&str, &[&str]); 2] = [(CD, &["CD", "DVD"]), ("Floppy", &["Floppy", "USBStick"])];
/// The longest URL of an image.
const LONGEST: usize = 1024;

pub(super) fn answer(request: &Request<'_>, rest: &[&str]) -> Reply {
    match (&request.method, rest) {
        (&Method::GET, []) => {
            let members = [request.manager()];
            Reply::ok(collection("/redfish/v1/Managers", "ManagerCollection", "Managers", &members))
        }
        (&Method::GET, [_]) => show(request),
        (&Method::POST, [_, "Actions", "Manager.Reset"]) => {
            request.machine.state().bmc.sessions = super::sessions::Sessions::default();
            Reply::empty()
        }
        (method, [_, "Oem", "Dell", "DellLCService", rest @ ..])
            if request.machine.hardware().model.bmc.screen == Screen::Exported =>
        {
            screen::answer(request, method, rest)
        }
        (&Method::GET, [_, "VirtualMedia"]) => {
            let path = request.path.as_str();
            let members = DRIVES.map(|(drive, _)| format!("{path}/{drive}"));
            Reply::ok(collection(path, "VirtualMediaCollection", "Virtual Media", &members))
        }
        (method, [_, "VirtualMedia", drive, rest @ ..]) => {
            match (DRIVES.into_iter().find(|(name, _)| name == drive), method, rest) {
                (Some(drive), &Method::GET, []) => show_drive(request, drive),
                (Some(drive), &Method::POST, ["Actions", "VirtualMedia.InsertMedia"]) => {
                    insert(request, drive.0)
                }
                (Some(drive), &Method::POST, ["Actions", "VirtualMedia.EjectMedia"]) => {
                    eject(request, drive.0)
                }
                (Some(_), &Method::GET, _) | (None, ..) => Reply::missing(&request.path),
                _ => Reply::not_allowed(),
            }
        }
        (&Method::GET, _) => Reply::missing(&request.path),
        _ => Reply::not_allowed(),
    }
}

fn show(request: &Request<'_>) -> Reply {
    let hardware = request.machine.hardware();
    let (path, bmc) = (request.manager(), &hardware.model.bmc);
    Reply::ok(json!({
        "@odata.id": path,
        "@odata.type": "#Manager.v1_19_0.Manager",
        "Id": bmc.manager,
        "Name": bmc.product,
        "Model": bmc.product,
        "ManagerType": "BMC",
        "FirmwareVersion": bmc.firmware,
        "UUID": uuid::Uuid::new_v5(&hardware.uuid, b"manager").to_string(),
        "PowerState": "On",
        "DateTime": jiff::Timestamp::now().to_string(),
        "DateTimeLocalOffset": "+00:00",
        "Status": healthy(),
        "VirtualMedia": { "@odata.id": format!("{path}/VirtualMedia") },
        "Links": {
            "ManagerForServers": [{ "@odata.id": request.system() }],
            "ManagerForChassis": [{ "@odata.id": request.chassis() }],
            "Oem": screen::links(request),
        },
        "Actions": { "#Manager.Reset": {
            "target": format!("{path}/Actions/Manager.Reset"),
            "ResetType@Redfish.AllowableValues": ["GracefulRestart", "ForceRestart"],
        } },
    }))
}

fn show_drive(request: &Request<'_>, (drive, types): (&'static str, &[&str])) -> Reply {
    let path = request.path.as_str();
    let state = request.machine.state();
    let image = state.bmc.extra.as_ref().and_then(|extra| extra.media.get(drive));
    Reply::ok(json!({
        "@odata.id": path,
        "@odata.type": "#VirtualMedia.v1_6_3.VirtualMedia",
        "Id": drive,
        "Name": format!("Virtual {drive}"),
        "MediaTypes": types,
        "Image": image,
        "ImageName": image.and_then(|image| image.rsplit('/').next()),
        "Inserted": image.is_some(),
        "ConnectedVia": if image.is_some() { "URI" } else { "NotConnected" },
        "WriteProtected": true,
        "Actions": {
            "#VirtualMedia.InsertMedia": { "target": format!("{path}/Actions/VirtualMedia.InsertMedia") },
            "#VirtualMedia.EjectMedia": { "target": format!("{path}/Actions/VirtualMedia.EjectMedia") },
        },
    }))
}

fn insert(request: &Request<'_>, drive: &'static str) -> Reply {
    let is_unlicensed = request.machine.model.bmc.media == Media::Unlicensed
        || request.rack.faults.media_are_unlicensed(request.machine);
    if is_unlicensed {
        let text = "The operation needs a licence that this BMC does not have.";
        return Reply::refuse(StatusCode::FORBIDDEN, "InsufficientPrivilege", text);
    }
    let image = request.body.get("Image");
    let Some(url) = image.and_then(Value::as_str).filter(|url| url.len() <= LONGEST && url.contains("://"))
    else {
        return Reply::bad_value("Image", image.unwrap_or(&Value::Null));
    };
    let mut state = request.machine.state();
    let media = &mut state.bmc.extra().media;
    if media.contains_key(drive) {
        let text = "A medium is inserted already; it has to be ejected first.";
        return Reply::refuse(StatusCode::CONFLICT, "ResourceInUse", text);
    }
    media.insert(drive, url.to_owned());
    Reply::empty()
}

fn eject(request: &Request<'_>, drive: &'static str) -> Reply {
    let mut state = request.machine.state();
    match state.bmc.extra().media.remove(drive) {
        Some(_) => Reply::empty(),
        None => Reply::refuse(StatusCode::CONFLICT, "NoOperation", "No medium is inserted."),
    }
}
