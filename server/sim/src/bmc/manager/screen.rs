//! What the machine's screen shows, as Dell's iDRAC gives it away: a picture of one pixel, whose colour is the power's.

use http::Method;
use serde_json::{Value, json};

use super::super::{reply::Reply, service::Request};
use crate::{machine::Power, models::Screen};

const ACTION: &str = "DellLCService.ExportServerScreenShot";
/// A PNG of one grey pixel; its only byte of content is 0x00 or 0xff, stored without compression (RFC 2083, RFC 1951 3.2.4).
const BLACK: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAADUlEQVR4AQECAP3/AAAAAgABfgUN0gAAAABJRU5ErkJggg==";
const WHITE: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAADUlEQVR4AQECAP3/AP8BAQEAYIcStQAAAABJRU5ErkJggg==";

/// Where the manager says that it is.
pub(super) fn links(request: &Request<'_>) -> Value {
    match request.machine.hardware().model.bmc.screen {
        Screen::Hidden => json!({}),
        Screen::Exported => {
            json!({ "Dell": { "DellLCService": { "@odata.id": format!("{}/Oem/Dell/DellLCService", request.manager()) } } })
        }
    }
}

pub(super) fn answer(request: &Request<'_>, method: &Method, rest: &[&str]) -> Reply {
    match (method, rest) {
        (&Method::GET, []) => Reply::ok(json!({
            "@odata.id": request.path,
            "@odata.type": "#DellLCService.v1_7_0.DellLCService",
            "Id": "DellLCService",
            "Name": "DellLCService",
            "Actions": { format!("#{ACTION}"): { "target": format!("{}/Actions/{ACTION}", request.path) } },
        })),
        (&Method::POST, ["Actions", ACTION])
            if request.body.get("FileType").is_some_and(|kind| kind == "ServerScreenShot") =>
        {
            let picture = match request.machine.state().power {
                Power::On => WHITE,
                _ => BLACK,
            };
            Reply::ok(json!({ "ServerScreenShotFile": picture }))
        }
        (&Method::GET, _) => Reply::missing(&request.path),
        _ => Reply::not_allowed(),
    }
}
