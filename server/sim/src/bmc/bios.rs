//! The firmware's settings (DSP2046, `Bios`): attributes as they are, and as they will be after the next power-on.

use http::Method;
use serde_json::{Map, Value, json};

use super::{reply::Reply, service::Request};

/// The attributes there are, with their defaults and what they may be.
const ATTRIBUTES: [(&str, &str, &[&str]); 6] = [
    ("BootMode", "Uefi", &["Uefi", "Bios"]),
    ("PxeDev1EnDis", "Enabled", &["Enabled", "Disabled"]),
    ("LogicalProc", "Enabled", &["Enabled", "Disabled"]),
    ("ProcVirtualization", "Enabled", &["Enabled", "Disabled"]),
    ("SecureBoot", "Disabled", &["Enabled", "Disabled"]),
    ("SriovGlobalEnable", "Disabled", &["Enabled", "Disabled"]),
];

pub(super) fn answer(request: &Request<'_>, rest: &[&str]) -> Reply {
    let path = format!("{}/Bios", request.system());
    match (&request.method, rest) {
        (&Method::GET, [_, "Bios"]) => Reply::ok(json!({
            "@odata.id": path,
            "@odata.type": "#Bios.v1_2_2.Bios",
            "Id": "BIOS",
            "Name": "BIOS Configuration",
            "Attributes": attributes(request, Pending::No),
            "@Redfish.Settings": {
                "@odata.type": "#Settings.v1_3_5.Settings",
                "SettingsObject": { "@odata.id": format!("{path}/Settings") },
                "SupportedApplyTimes": ["OnReset"],
            },
            "Actions": { "#Bios.ResetBios": { "target": format!("{path}/Actions/Bios.ResetBios") } },
        })),
        (&Method::GET, [_, "Bios", "Settings"]) => Reply::ok(json!({
            "@odata.id": format!("{path}/Settings"),
            "@odata.type": "#Bios.v1_2_2.Bios",
            "Id": "Settings",
            "Name": "BIOS Configuration Pending Settings",
            "Attributes": attributes(request, Pending::Yes),
        })),
        (&Method::PATCH | &Method::PUT, [_, "Bios", "Settings"]) => change(request),
        (&Method::POST, [_, "Bios", "Actions", "Bios.ResetBios"]) => {
            let mut state = request.machine.state();
            let defaults = ATTRIBUTES.map(|(name, default, _)| (name.to_owned(), Value::from(default)));
            state.bmc.extra().bios_pending = defaults.into();
            Reply::empty()
        }
        (&Method::GET, _) => Reply::missing(&request.path),
        _ => Reply::not_allowed(),
    }
}

/// What is waiting too?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pending {
    No,
    Yes,
}

fn attributes(request: &Request<'_>, pending: Pending) -> Value {
    let state = request.machine.state();
    let extra = state.bmc.extra.as_ref();
    let value = |name: &str, default: &'static str| {
        let waiting =
            extra.filter(|_| pending == Pending::Yes).and_then(|extra| extra.bios_pending.get(name));
        waiting.or_else(|| extra?.bios.get(name)).cloned().unwrap_or_else(|| default.into())
    };
    let attribute =
        |(name, default, _): (&str, &'static str, &[&str])| (name.to_owned(), value(name, default));
    Value::Object(ATTRIBUTES.into_iter().map(attribute).collect::<Map<_, _>>())
}

fn change(request: &Request<'_>) -> Reply {
    let Some(wanted) = request.body.get("Attributes").and_then(Value::as_object) else {
        return Reply::bad_value("Attributes", &request.body);
    };
    for (name, value) in wanted {
        let Some((_, _, values)) = ATTRIBUTES.into_iter().find(|(known, ..)| known == name) else {
            return Reply::unknown_property(name);
        };
        if !value.as_str().is_some_and(|value| values.contains(&value)) {
            return Reply::bad_value(name, value);
        }
    }
    let mut state = request.machine.state();
    state.bmc.extra().bios_pending.extend(wanted.clone());
    drop(state);
    request.has_changed();
    Reply::empty()
}

impl super::Memory {
    /// The firmware starts: what was waiting is so.
    pub(crate) fn applies_settings(&mut self) {
        if let Some(extra) = self.extra.as_mut() {
            let pending = std::mem::take(&mut extra.bios_pending);
            extra.bios.extend(pending);
        }
    }
}
