//! The ComputerSystem: what it is, what it starts from, and the switch (DSP2046, `ComputerSystem`).

use http::{Method, StatusCode, header};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{
    reply::{Reply, collection, healthy},
    service::Request,
};
use crate::{
    machine::{
        Power, Reset, Stage,
        boot_order::{Enabled, Override},
    },
    models::{BootAt, Etags, InPost, Once, ResetsIn, ShowsMode},
};

pub(super) fn answer(request: &Request<'_>, rest: &[&str]) -> Reply {
    match (&request.method, rest) {
        (&Method::GET, []) => {
            let members = [request.system()];
            let path = "/redfish/v1/Systems";
            Reply::ok(collection(path, "ComputerSystemCollection", "Computer Systems", &members))
        }
        (&Method::GET, [_]) => show(request),
        (&Method::PATCH, [_]) => patch(request, At::System),
        (_, [_, "SD"]) if request.machine.model.bmc.boot_at == BootAt::System => {
            Reply::missing(&request.path)
        }
        (&Method::GET, [_, "SD"]) => show_settings(request),
        (&Method::PATCH, [_, "SD"]) => patch(request, At::Settings),
        (&Method::GET, [_, "ResetActionInfo"]) => action_info(request),
        (&Method::POST, [_, "Actions", "ComputerSystem.Reset"]) => reset(request),
        (&Method::GET, _) => Reply::missing(&request.path),
        _ => Reply::not_allowed(),
    }
}

/// What a change is addressed to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    System,
    Settings,
}

/// What the system is to be, where that is a resource of its own.
fn show_settings(request: &Request<'_>) -> Reply {
    forgets_boot(request);
    let (path, tag) = (format!("{}/SD", request.system()), etag(request));
    let boot = request.machine.state().boot;
    let mut body = json!({
        "@odata.id": path,
        "@odata.type": "#ComputerSystem.v1_20_1.ComputerSystem",
        "Id": "SD",
        "Name": "System Settings",
        "Boot": boot_of(request, boot),
    });
    if let (Some(tag), Some(body)) = (&tag, body.as_object_mut()) {
        body.insert("@odata.etag".into(), tag.clone().into());
    }
    tagged(Reply::ok(body), tag)
}

fn tagged(reply: Reply, tag: Option<String>) -> Reply {
    match tag {
        Some(tag) => reply.with(header::ETAG, tag),
        None => reply,
    }
}

/// One that forgets has shown the override that was set once, and then has none.
fn forgets_boot(request: &Request<'_>) {
    let reads = {
        let mut state = request.machine.state();
        state.bmc.boot_reads = state.bmc.boot_reads.saturating_add(1);
        state.bmc.boot_reads
    };
    let is_set = request.machine.state().boot.enabled != Enabled::Disabled;
    if reads > 1 && is_set && request.rack.faults.forgets_boot(request.machine) {
        let mut state = request.machine.state();
        state.boot = Override { mode: state.boot.mode, ..Override::default() };
    }
}

fn show(request: &Request<'_>) -> Reply {
    if request.machine.model.bmc.boot_at == BootAt::System {
        forgets_boot(request);
    }
    let (hardware, path, tag) = (request.machine.hardware(), request.system(), etag(request));
    let model = hardware.model;
    let link = |name: &str| json!({ "@odata.id": format!("{path}/{name}") });
    let (power, boot, asset_tag, stage) = {
        let state = request.machine.state();
        let asset_tag = state.bmc.extra.as_ref().map(|extra| extra.asset_tag.clone()).unwrap_or_default();
        (state.power, state.boot, asset_tag, state.stage)
    };
    let state = if power == Power::On { "Enabled" } else { "Disabled" };
    let mut body = json!({
        "@odata.id": path,
        "@odata.type": "#ComputerSystem.v1_20_1.ComputerSystem",
        "Id": model.bmc.system,
        "Name": "System",
        "SystemType": "Physical",
        "Manufacturer": model.manufacturer,
        "Model": model.product,
        "SerialNumber": hardware.serial,
        "UUID": hardware.uuid.to_string(),
        "AssetTag": asset_tag,
        "BiosVersion": model.firmware,
        "PowerState": power_state(request),
        "BootProgress": { "LastState": progress(stage) },
        "Status": { "State": state, "Health": "OK", "HealthRollup": "OK" },
        "ProcessorSummary": {
            "Count": model.sockets,
            "CoreCount": model.sockets * model.cores,
            "LogicalProcessorCount": hardware.cpus(),
            "Model": model.cpu,
            "Status": healthy(),
        },
        "MemorySummary": { "TotalSystemMemoryGiB": model.memory_gib, "Status": healthy() },
        "Boot": boot_of(request, boot),
        "Bios": link("Bios"),
        "Processors": link("Processors"),
        "Memory": link("Memory"),
        "EthernetInterfaces": link("EthernetInterfaces"),
        "Storage": link("Storage"),
        "SimpleStorage": link("SimpleStorage"),
        "Links": {
            "Chassis": [{ "@odata.id": request.chassis() }],
            "ManagedBy": [{ "@odata.id": request.manager() }],
        },
        "Actions": { "#ComputerSystem.Reset": action(request, &path) },
    });
    if let (Some(tag), Some(body)) = (&tag, body.as_object_mut()) {
        body.insert("@odata.etag".into(), tag.clone().into());
    }
    if let (BootAt::Settings, Some(body)) = (model.bmc.boot_at, body.as_object_mut()) {
        let settings = json!({
            "@odata.type": "#Settings.v1_3_5.Settings",
            "SettingsObject": { "@odata.id": format!("{path}/SD") },
        });
        body.insert("@Redfish.Settings".into(), settings);
        body.insert("Boot".into(), json!({ "BootOrder": ["Boot0001", "Boot0002"] }));
    }
    tagged(Reply::ok(body), tag)
}

fn action(request: &Request<'_>, path: &str) -> Value {
    let model = &request.machine.model.bmc;
    let mut action = json!({ "target": format!("{path}/Actions/ComputerSystem.Reset") });
    if let Some(action) = action.as_object_mut() {
        match model.resets_in {
            ResetsIn::AllowableValues => {
                action.insert("ResetType@Redfish.AllowableValues".into(), json!(model.resets))
            }
            ResetsIn::ActionInfo => {
                action.insert("@Redfish.ActionInfo".into(), format!("{path}/ResetActionInfo").into())
            }
        };
    }
    action
}

fn action_info(request: &Request<'_>) -> Reply {
    let model = &request.machine.model.bmc;
    if model.resets_in == ResetsIn::AllowableValues {
        return Reply::missing(&request.path);
    }
    Reply::ok(json!({
        "@odata.id": request.path,
        "@odata.type": "#ActionInfo.v1_4_0.ActionInfo",
        "Id": "ResetActionInfo",
        "Name": "Reset Action Info",
        "Parameters": [{
            "Name": "ResetType",
            "Required": true,
            "DataType": "String",
            "AllowableValues": model.resets,
        }],
    }))
}

fn boot_of(request: &Request<'_>, boot: Override) -> Value {
    let model = &request.machine.model.bmc;
    let mut shown = json!({
        "BootSourceOverrideEnabled": boot.enabled.word(),
        "BootSourceOverrideTarget": boot.target,
        "BootSourceOverrideTarget@Redfish.AllowableValues": model.targets,
        "BootOrder": ["Boot0001", "Boot0002"],
    });
    if let Some(shown) = shown.as_object_mut()
        && model.shows_mode != ShowsMode::No
    {
        shown.insert("BootSourceOverrideMode".into(), boot.mode.into());
        shown.insert("BootSourceOverrideMode@Redfish.AllowableValues".into(), json!(["UEFI", "Legacy"]));
    }
    shown
}

/// The power state as this BMC reports it: late, or a lie.
fn power_state(request: &Request<'_>) -> &'static str {
    let (power, switched) = {
        let state = request.machine.state();
        (state.power, state.switched)
    };
    let stale = request.rack.pace().settle(request.machine.model.bmc.stale_power);
    let is_stale = switched.is_some_and(|at| Instant::now().duration_since(at) < stale);
    match (request.rack.faults.lie(request.machine), power, is_stale) {
        (Some(Power::On), ..) | (None, Power::On, false) | (None, Power::Off, true) => "On",
        (Some(Power::Off), ..) | (None, Power::Off, false) | (None, Power::On, true) => "Off",
    }
}

fn progress(stage: Stage) -> &'static str {
    match stage {
        Stage::Off => "None",
        Stage::Post => "SystemHardwareInitializationComplete",
        Stage::Firmware | Stage::Halted => "SetupEntered",
        Stage::Agent | Stage::Starting => "OSBootStarted",
        Stage::System => "OSRunning",
    }
}

/// The ETag of the system, where there are any; one that is fickle differs at each read.
fn etag(request: &Request<'_>) -> Option<String> {
    let state = request.machine.state();
    match request.machine.model.bmc.etags {
        Etags::None => None,
        Etags::Checked | Etags::Required => Some(format!("W/\"{:08x}\"", state.bmc.version)),
        Etags::Fickle => Some(format!("W/\"{:08x}\"", state.bmc.requests)),
    }
}

fn patch(request: &Request<'_>, at: At) -> Reply {
    if let Some(refused) = precondition(request) {
        return refused;
    }
    let Some(wanted) = request.body.as_object() else { return Reply::unknown_property("body") };
    // All of it is looked at before any of it is done.
    let mut boot = None;
    for (name, value) in wanted {
        match name.as_str() {
            "Boot" if refuses_boot(request, at).is_some() => {
                return refuses_boot(request, at).unwrap_or_else(Reply::not_allowed);
            }
            "Boot" => match boot_from(request, value) {
                Ok(wanted) => boot = Some(wanted),
                Err(refused) => return refused,
            },
            "AssetTag" if value.as_str().is_some_and(|tag| tag.len() <= 64) => {}
            "AssetTag" => return Reply::bad_value(name, value),
            _ => return Reply::unknown_property(name),
        }
    }
    {
        let mut state = request.machine.state();
        if let Some(boot) = boot {
            state.boot = boot;
            state.bmc.boot_reads = 0;
        }
        if let Some(tag) = wanted.get("AssetTag").and_then(Value::as_str) {
            state.bmc.extra().asset_tag = tag.to_owned();
        }
    }
    request.has_changed();
    Reply::empty()
}

/// Why an override is not taken there, or not now.
fn refuses_boot(request: &Request<'_>, at: At) -> Option<Reply> {
    let model = &request.machine.model.bmc;
    if model.boot_at == BootAt::Settings && at == At::System {
        let text = format!("Boot properties are to be written to {}/SD.", request.system());
        let id = "Ami.1.0.OperationSupportedInFutureStateURI";
        return Some(Reply::refuse_as(StatusCode::BAD_REQUEST, id, text));
    }
    if model.in_post == InPost::Refuses && request.machine.state().stage == Stage::Post {
        let text = "The property cannot be modified while the system is in POST.";
        let id = "iLO.2.37.UnableToModifyDuringSystemPOST";
        return Some(Reply::refuse_as(StatusCode::BAD_REQUEST, id, text));
    }
    None
}

fn precondition(request: &Request<'_>) -> Option<Reply> {
    let failed = |status, text: &str| Some(Reply::refuse(status, "PreconditionFailed", text));
    let text = "The ETag supplied did not match the ETag required to change this resource.";
    match (request.machine.model.bmc.etags, &request.if_match) {
        (Etags::Required, None) => failed(
            StatusCode::PRECONDITION_REQUIRED,
            "An If-Match header is required to change this resource.",
        ),
        (Etags::Fickle, Some(tag)) if tag != "*" => failed(StatusCode::PRECONDITION_FAILED, text),
        (Etags::Checked | Etags::Required, Some(tag))
            if tag != "*" && Some(tag) != etag(request).as_ref() =>
        {
            failed(StatusCode::PRECONDITION_FAILED, text)
        }
        _ => None,
    }
}

fn boot_from(request: &Request<'_>, value: &Value) -> Result<Override, Reply> {
    let model = &request.machine.model.bmc;
    let wanted: &Map<String, Value> = value.as_object().ok_or_else(|| Reply::bad_value("Boot", value))?;
    let mut boot = request.machine.state().boot;
    for (name, value) in wanted {
        let word = value.as_str().unwrap_or_default();
        let bad = || Reply::bad_value(name, value);
        match name.as_str() {
            "BootSourceOverrideEnabled" => {
                boot.enabled = match (Enabled::from_word(word).ok_or_else(bad)?, model.once) {
                    (Enabled::Once, Once::Continuous) => Enabled::Continuous,
                    (enabled, _) => enabled,
                };
            }
            "BootSourceOverrideTarget" => {
                boot.target = model.targets.iter().copied().find(|target| *target == word).ok_or_else(bad)?;
            }
            "BootSourceOverrideMode" if model.shows_mode == ShowsMode::ReadOnly => {
                let text = "The property BootSourceOverrideMode is a read only property.";
                return Err(Reply::refuse(StatusCode::BAD_REQUEST, "PropertyNotWritable", text));
            }
            "BootSourceOverrideMode" if model.shows_mode != ShowsMode::No => {
                boot.mode = ["UEFI", "Legacy"].into_iter().find(|mode| *mode == word).ok_or_else(bad)?;
            }
            name => return Err(Reply::unknown_property(name)),
        }
    }
    if boot.enabled == Enabled::Disabled {
        boot.target = "None";
    }
    if model.shows_mode == ShowsMode::FallsBack && !wanted.contains_key("BootSourceOverrideMode") {
        boot.mode = "Legacy";
    }
    Ok(boot)
}

fn reset(request: &Request<'_>) -> Reply {
    let model = &request.machine.model.bmc;
    let kind = request.body.get("ResetType");
    let word = kind.and_then(Value::as_str).unwrap_or_default();
    let allowed = model.resets.contains(&word);
    let Some(reset) = Reset::from_word(word).filter(|_| allowed) else {
        return Reply::bad_value("ResetType", kind.unwrap_or(&Value::Null));
    };
    if request.rack.faults.is_stuck(request.machine) {
        return Reply::empty();
    }
    match request.machine.reset(request.rack, reset) {
        Ok(()) => {
            request.has_changed();
            Reply::empty()
        }
        Err(_) => {
            let text = "The requested power state is the one the system is in already.";
            Reply::refuse(StatusCode::CONFLICT, "NoOperation", text)
        }
    }
}
