//! The Redfish resources as far as they are read (DSP2046): a wrong type is an error, an absent property is not.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use underlay_core::{Bytes, bmc::is_media_of_ours, host::Facts};

/// A text that nothing depends on: of another type, it is absent.
fn if_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Value::deserialize(deserializer)?.as_str().map(str::to_owned))
}

/// A reference to a resource.
#[derive(Debug, Deserialize)]
pub(super) struct Link {
    #[serde(rename = "@odata.id")]
    pub(super) path: String,
}

/// `ServiceRoot`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Root {
    #[serde(default, deserialize_with = "if_text")]
    pub(super) name: Option<String>,
    #[serde(default, deserialize_with = "if_text")]
    pub(super) vendor: Option<String>,
    #[serde(default, deserialize_with = "if_text")]
    pub(super) product: Option<String>,
    pub(super) oem: Option<Value>,
    pub(super) systems: Option<Link>,
    /// Read with patience, as what follows: nothing depends on it.
    pub(super) managers: Option<Value>,
    pub(super) event_service: Option<Value>,
    pub(super) links: Option<RootLinks>,
}

impl Root {
    /// Where its managers are listed.
    pub(super) fn managers(&self) -> Option<&str> {
        self.managers.as_ref()?.get("@odata.id")?.as_str()
    }
}

/// `Manager`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Manager {
    #[serde(default, deserialize_with = "if_text")]
    pub(super) model: Option<String>,
    pub(super) virtual_media: Option<Link>,
}

/// `ServiceRoot.Links`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RootLinks {
    pub(super) sessions: Option<Link>,
}

/// Any collection.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Collection {
    pub(super) members: Vec<Link>,
    #[serde(rename = "Members@odata.nextLink")]
    pub(super) next: Option<String>,
}

/// The settings resource of a `ComputerSystem`, as far as it differs from that.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Settings {
    #[serde(rename = "@odata.etag")]
    pub(super) etag: Option<String>,
    pub(super) boot: Option<Boot>,
}

/// `ComputerSystem`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct System {
    #[serde(rename = "@odata.etag")]
    pub(super) etag: Option<String>,
    pub(super) power_state: Option<String>,
    pub(super) serial_number: Option<String>,
    #[serde(rename = "UUID")]
    pub(super) uuid: Option<String>,
    #[serde(default)]
    pub(super) boot: Option<Boot>,
    pub(super) ethernet_interfaces: Option<Link>,
    /// Read with patience: a host is enrolled without it too.
    pub(super) storage: Option<Value>,
    /// Read with patience too.
    #[serde(rename = "@Redfish.Settings")]
    pub(super) settings: Option<Value>,
    pub(super) actions: Option<Actions>,
    pub(super) processor_summary: Option<ProcessorSummary>,
    pub(super) memory_summary: Option<MemorySummary>,
    pub(super) virtual_media: Option<Link>,
    pub(super) links: Option<SystemLinks>,
}

/// `ComputerSystem.Links`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SystemLinks {
    #[serde(default)]
    pub(super) managed_by: Vec<Link>,
}

/// `VirtualMedia`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Medium {
    #[serde(rename = "@odata.etag")]
    pub(super) etag: Option<String>,
    #[serde(default)]
    pub(super) media_types: Option<Vec<String>>,
    pub(super) image: Option<String>,
    pub(super) image_name: Option<String>,
    pub(super) inserted: Option<bool>,
    actions: Option<MediumActions>,
}

/// `VirtualMedia.Actions`.
#[derive(Debug, Deserialize)]
struct MediumActions {
    #[serde(rename = "#VirtualMedia.InsertMedia")]
    insert: Option<Target>,
    #[serde(rename = "#VirtualMedia.EjectMedia")]
    eject: Option<Target>,
}

/// An action, and where its parameters are told.
#[derive(Debug, Deserialize)]
pub(super) struct Target {
    pub(super) target: String,
    #[serde(rename = "@Redfish.ActionInfo")]
    pub(super) info: Option<String>,
}

impl Medium {
    /// Is it a CD drive?
    pub(super) fn takes_a_cd(&self) -> bool {
        let types = self.media_types.iter().flatten();
        types.into_iter().any(|kind| matches!(kind.as_str(), "CD" | "DVD"))
    }

    /// Is anything in it? Some leave `Inserted` out, some leave it at true with nothing in.
    pub(super) fn is_inserted(&self) -> bool {
        self.inserted != Some(false) && self.names().next().is_some()
    }

    /// Is it this image that is in it? Some tell nothing but the name of the file.
    pub(super) fn holds(&self, url: &str) -> bool {
        let file = url.rsplit('/').next();
        self.is_inserted() && self.names().any(|name| name == url || name.rsplit('/').next() == file)
    }

    /// Is an image of ours in it, whatever the boot?
    pub(super) fn holds_ours(&self) -> bool {
        self.is_inserted() && self.names().any(is_media_of_ours)
    }

    pub(super) fn insert(&self) -> Option<&Target> {
        self.actions.as_ref()?.insert.as_ref()
    }

    pub(super) fn eject(&self) -> Option<&Target> {
        self.actions.as_ref()?.eject.as_ref()
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        [&self.image, &self.image_name]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .filter(|name| !name.is_empty())
    }
}

/// `ComputerSystem.ProcessorSummary`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ProcessorSummary {
    pub(super) logical_processor_count: Option<u32>,
}

/// `ComputerSystem.MemorySummary`.
#[derive(Debug, Deserialize)]
pub(super) struct MemorySummary {
    #[serde(rename = "TotalSystemMemoryGiB")]
    pub(super) total_gib: Option<f64>,
}

impl System {
    /// Where what it is to be is written, where that is not here.
    pub(super) fn settings(&self) -> Option<&str> {
        self.settings.as_ref()?.get("SettingsObject")?.get("@odata.id")?.as_str()
    }

    /// Where its storage is listed.
    pub(super) fn storage(&self) -> Option<&str> {
        self.storage.as_ref()?.get("@odata.id")?.as_str()
    }

    /// What it tells of the hardware; many BMCs tell nothing before the first boot.
    pub(super) fn facts(&self) -> Facts {
        let cpus = self.processor_summary.as_ref().and_then(|it| it.logical_processor_count);
        let gib = self.memory_summary.as_ref().and_then(|it| it.total_gib);
        // A fraction of a GiB is kept; more than 2^20 GiB is nonsense.
        let memory = gib.filter(|gib| *gib > 0.0 && *gib < 1_048_576.0);
        Facts {
            cpus: cpus.filter(|cpus| *cpus > 0),
            memory: memory.map(|gib| Bytes((gib * f64::from(1 << 10)) as u64 * (1 << 20))),
            ..Facts::default()
        }
    }
}

/// `ComputerSystem.Boot`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Boot {
    #[serde(rename = "BootSourceOverrideEnabled")]
    pub(super) enabled: Option<String>,
    #[serde(rename = "BootSourceOverrideTarget")]
    pub(super) target: Option<String>,
    #[serde(rename = "BootSourceOverrideMode")]
    pub(super) mode: Option<String>,
    #[serde(rename = "BootSourceOverrideTarget@Redfish.AllowableValues")]
    pub(super) targets: Option<Vec<String>>,
}

/// `ComputerSystem.Actions`.
#[derive(Debug, Deserialize)]
pub(super) struct Actions {
    #[serde(rename = "#ComputerSystem.Reset")]
    pub(super) reset: Option<Reset>,
}

/// The action that switches power.
#[derive(Debug, Deserialize)]
pub(super) struct Reset {
    pub(super) target: String,
    #[serde(rename = "ResetType@Redfish.AllowableValues")]
    pub(super) types: Option<Vec<String>>,
    #[serde(rename = "@Redfish.ActionInfo")]
    pub(super) info: Option<String>,
}

/// `ActionInfo`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ActionInfo {
    #[serde(default)]
    pub(super) parameters: Vec<Parameter>,
}

/// One parameter of an action.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) allowable_values: Option<Vec<String>>,
}

/// `Storage`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Storage {
    #[serde(default)]
    pub(super) drives: Vec<Link>,
}

/// `Drive`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Drive {
    pub(super) capacity_bytes: Option<u64>,
    pub(super) media_type: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) status: Option<Status>,
}

/// `Status`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Status {
    pub(super) state: Option<String>,
}

/// `EventService`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct EventService {
    pub(super) service_enabled: Option<bool>,
    pub(super) subscriptions: Option<Link>,
    #[serde(default)]
    pub(super) event_types_for_subscription: Vec<String>,
}

/// `EventDestination`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Subscription {
    pub(super) destination: Option<String>,
    pub(super) context: Option<String>,
}

/// `EthernetInterface`.
#[derive(Debug, Deserialize)]
pub(super) struct Interface {
    #[serde(rename = "MACAddress")]
    pub(super) mac: Option<String>,
    #[serde(rename = "PermanentMACAddress")]
    pub(super) permanent: Option<String>,
}

/// The error body of DSP0266, section 8.6.
#[derive(Debug, Deserialize)]
pub(super) struct Complaint {
    pub(super) error: ComplaintBody,
}

/// What is in it.
#[derive(Debug, Deserialize)]
pub(super) struct ComplaintBody {
    pub(super) message: Option<String>,
    #[serde(rename = "@Message.ExtendedInfo", default)]
    pub(super) extended: Vec<ExtendedInfo>,
}

/// One message in it.
#[derive(Debug, Deserialize)]
pub(super) struct ExtendedInfo {
    #[serde(rename = "MessageId", default, deserialize_with = "if_text")]
    pub(super) id: Option<String>,
    #[serde(rename = "Message")]
    pub(super) message: Option<String>,
}

/// What is asked of `Boot`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct BootWish {
    #[serde(rename = "BootSourceOverrideEnabled")]
    pub(super) enabled: &'static str,
    #[serde(rename = "BootSourceOverrideTarget")]
    pub(super) target: &'static str,
    #[serde(rename = "BootSourceOverrideMode", skip_serializing_if = "Option::is_none")]
    pub(super) mode: Option<&'static str>,
    /// What the mode is to read as afterwards, where it can be read.
    #[serde(skip)]
    pub(super) checked: Option<&'static str>,
}
