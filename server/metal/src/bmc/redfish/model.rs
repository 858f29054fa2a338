//! The Redfish resources as far as they are read (DSP2046): a wrong type is an error, an absent property is not.

use serde::{Deserialize, Serialize};
use underlay_core::{Bytes, host::Facts};

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
    pub(super) systems: Option<Link>,
    /// Read with patience: nothing depends on it.
    pub(super) event_service: Option<serde_json::Value>,
    pub(super) links: Option<RootLinks>,
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
    pub(super) storage: Option<serde_json::Value>,
    pub(super) actions: Option<Actions>,
    pub(super) processor_summary: Option<ProcessorSummary>,
    pub(super) memory_summary: Option<MemorySummary>,
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
}
