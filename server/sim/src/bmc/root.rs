//! The service root and its sessions (DSP0266, section 6).

use http::Method;
use serde_json::{Value, json};

use super::{
    reply::{Reply, collection, healthy},
    service::Request,
    sessions,
};

pub(super) fn versions() -> Reply {
    Reply::ok(json!({ "v1": "/redfish/v1/" }))
}

pub(super) fn odata() -> Reply {
    Reply::ok(json!({
        "@odata.context": "/redfish/v1/$metadata",
        "value": [
            { "name": "Service", "kind": "Singleton", "url": "/redfish/v1/" },
            { "name": "Systems", "kind": "Singleton", "url": "/redfish/v1/Systems" },
        ],
    }))
}

pub(super) fn root(request: &Request<'_>) -> Reply {
    let hardware = request.machine.hardware();
    let mut body = json!({
        "@odata.id": "/redfish/v1/",
        "@odata.type": "#ServiceRoot.v1_16_0.ServiceRoot",
        "Id": "RootService",
        "Name": "Root Service",
        "RedfishVersion": "1.18.0",
        "UUID": uuid::Uuid::new_v5(&hardware.uuid, b"bmc").to_string(),
        "Systems": { "@odata.id": "/redfish/v1/Systems" },
        "Chassis": { "@odata.id": "/redfish/v1/Chassis" },
        "Managers": { "@odata.id": "/redfish/v1/Managers" },
        "Tasks": { "@odata.id": "/redfish/v1/TaskService" },
        "AccountService": { "@odata.id": "/redfish/v1/AccountService" },
        "SessionService": { "@odata.id": "/redfish/v1/SessionService" },
        "EventService": { "@odata.id": "/redfish/v1/EventService" },
        "UpdateService": { "@odata.id": "/redfish/v1/UpdateService" },
        "Links": { "Sessions": { "@odata.id": "/redfish/v1/SessionService/Sessions" } },
    });
    let maker = hardware.model.bmc.root;
    let said = [
        ("Vendor", maker.vendor.map(Value::from)),
        ("Product", maker.product.map(Value::from)),
        ("Oem", maker.oem.map(|key| json!({ key: {} }))),
    ];
    if let Some(body) = body.as_object_mut() {
        body.extend(said.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    Reply::ok(body)
}

pub(super) fn session_service(request: &Request<'_>, rest: &[&str]) -> Reply {
    const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";
    match (&request.method, rest) {
        (&Method::GET, ["SessionService"]) => Reply::ok(json!({
            "@odata.id": "/redfish/v1/SessionService",
            "@odata.type": "#SessionService.v1_1_9.SessionService",
            "Id": "SessionService",
            "Name": "Session Service",
            "ServiceEnabled": true,
            "SessionTimeout": 1800,
            "Status": healthy(),
            "Sessions": { "@odata.id": SESSIONS },
        })),
        (&Method::GET, ["SessionService", "Sessions"] | ["Sessions"]) => {
            Reply::ok(collection(SESSIONS, "SessionCollection", "Sessions", &sessions::list(request)))
        }
        (&Method::POST, ["SessionService", "Sessions"] | ["Sessions"]) => sessions::log_in(request),
        (&Method::GET, ["SessionService", "Sessions", id]) => sessions::show(request, id),
        (&Method::DELETE, ["SessionService", "Sessions", id]) => sessions::log_out(request, id),
        (&Method::GET, _) => Reply::missing(&request.path),
        _ => Reply::not_allowed(),
    }
}
