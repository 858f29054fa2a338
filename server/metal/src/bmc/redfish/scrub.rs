//! A recording of a BMC that can be given away: the shape of its resources, and nothing that names a machine, a person or a
//! network.
//!
//! It fails closed: a text is kept only where the property is on the list of those that name a kind of thing. Of what names
//! one thing, a stand-in is written, the same for the same value wherever that stands. `Oem` is emptied: there licence keys
//! live.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{check::Read, quirks::Quirks};

/// Properties whose text names a kind of thing.
const KEPT: &[&str] = &[
    "@Redfish.ActionInfo",
    "@odata.context",
    "@odata.etag",
    "@odata.id",
    "@odata.type",
    "AllowableValues",
    "BiosVersion",
    "BootSourceOverrideEnabled",
    "BootSourceOverrideEnabled@Redfish.AllowableValues",
    "BootSourceOverrideMode",
    "BootSourceOverrideMode@Redfish.AllowableValues",
    "BootSourceOverrideTarget",
    "BootSourceOverrideTarget@Redfish.AllowableValues",
    "ChassisType",
    "ConnectedVia",
    "DataType",
    "EthernetInterfaceType",
    "EventTypesForSubscription",
    "FirmwareVersion",
    "Health",
    "HealthRollup",
    "Id",
    "IndicatorLED",
    "InstructionSet",
    "LastState",
    "LinkNetworkTechnology",
    "LinkStatus",
    "ManagerType",
    "Manufacturer",
    "MediaType",
    "MediaTypes",
    "MemberId",
    "Members@odata.nextLink",
    "MessageId",
    "Model",
    "Name",
    "PowerState",
    "Product",
    "Protocol",
    "RedfishVersion",
    "ResetType@Redfish.AllowableValues",
    "RoleId",
    "State",
    "SupportedControllerProtocols",
    "SupportedDeviceProtocols",
    "SystemType",
    "TransferMethod",
    "TransferProtocolType",
    "Vendor",
    "target",
];

/// Properties whose text names one thing: which stand-in it gets.
const NAMING: &[(&str, Kind)] = &[
    ("AssetTag", Kind::Serial),
    ("AssociatedMACAddresses", Kind::Mac),
    ("AssociatedNetworkAddresses", Kind::Mac),
    ("DurableName", Kind::Serial),
    ("FQDN", Kind::Host),
    ("HostName", Kind::Host),
    ("MACAddress", Kind::Mac),
    ("PermanentMACAddress", Kind::Mac),
    ("SKU", Kind::Serial),
    ("SerialNumber", Kind::Serial),
    ("ServiceTag", Kind::Serial),
    ("UUID", Kind::Uuid),
    ("UserName", Kind::User),
];
/// A value shorter than this is replaced where it stands and not looked for elsewhere: it would be found in every word.
const SHORTEST: usize = 4;
/// The form of a recording.
pub const FORMAT: u64 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Serial,
    Mac,
    Host,
    Uuid,
    User,
}

/// So many things may be named in a recording, each in a few forms: every text is searched for all of them.
const MOST: usize = 400;

/// Stand-ins, by what they stand for.
#[derive(Default)]
struct StandIns {
    known: BTreeMap<String, String>,
    count: usize,
    /// Those that are looked for within a text, the longest first, so that a part of one does not spoil it.
    sought: Vec<(String, String)>,
}

impl StandIns {
    fn learn(&mut self, kind: Kind, value: &str) {
        let value = value.trim();
        if value.is_empty() || self.known.contains_key(value) || self.count > MOST {
            return;
        }
        self.count += 1;
        let number = self.count;
        let stand_in = match kind {
            Kind::Serial => format!("SERIAL{number:04}"),
            Kind::Mac => format!("02:00:5E:00:{:02X}:{:02X}", number >> 8 & 0xff, number & 0xff),
            Kind::Host => format!("host-{number}.example"),
            Kind::Uuid => format!("00000000-0000-4000-8000-{number:012}"),
            Kind::User => format!("user-{number}"),
        };
        // The same in another case is the same.
        for form in [value.to_owned(), value.to_lowercase(), value.to_uppercase()] {
            self.known.insert(form, stand_in.clone());
        }
        if kind == Kind::Mac {
            for form in [value.replace([':', '-'], ""), value.replace(':', "-")] {
                self.known.insert(form.to_lowercase(), stand_in.clone());
                self.known.insert(form.to_uppercase(), stand_in.clone());
            }
        }
    }

    fn learn_all(&mut self, name: Option<&str>, value: &Value) {
        match value {
            Value::Object(map) => map.iter().for_each(|(name, value)| self.learn_all(Some(name), value)),
            Value::Array(list) => list.iter().for_each(|value| self.learn_all(name, value)),
            Value::String(text) => {
                let kind = NAMING.iter().find(|(naming, _)| Some(*naming) == name);
                if let Some((_, kind)) = kind {
                    self.learn(*kind, text);
                }
            }
            _ => {}
        }
    }

    /// All is learned.
    fn settle(&mut self) {
        let known = self.known.iter().filter(|(value, _)| value.len() >= SHORTEST);
        self.sought = known.map(|(value, stand_in)| (value.clone(), stand_in.clone())).collect();
        self.sought.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
    }

    fn replace(&self, text: &str) -> String {
        let sought = self.sought.iter().filter(|(value, _)| value.len() <= text.len());
        sought.fold(text.to_owned(), |text, (value, stand_in)| {
            if text.contains(value.as_str()) { text.replace(value.as_str(), stand_in) } else { text }
        })
    }

    fn scrub(&self, name: Option<&str>, value: &Value) -> Value {
        match value {
            Value::Object(_) if name == Some("Oem") => self.emptied(value),
            Value::Object(map) => {
                let scrubbed = map.iter().map(|(key, value)| (self.key(key), self.scrub(Some(key), value)));
                Value::Object(scrubbed.collect::<Map<_, _>>())
            }
            Value::Array(list) => list.iter().map(|value| self.scrub(name, value)).collect(),
            Value::String(text) => self.text(name, text),
            // Numbers and truths name nothing, but for those that are long.
            Value::Number(number) if number.as_u64().is_some_and(|number| number > 1 << 48) => json!(0),
            plain => plain.clone(),
        }
    }

    /// A key is a word of a schema, with an annotation or as an action's name; yet some list things by their names.
    fn key(&self, key: &str) -> String {
        const ANNOTATIONS: [&str; 3] = ["odata.", "Redfish.", "Message."];
        let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let is_dotted = |text: &str| text.split('.').all(is_word);
        let is_known = match key.split_once('@') {
            Some((word, annotation)) => {
                is_word(word)
                    && is_dotted(annotation)
                    && ANNOTATIONS.iter().any(|one| annotation.starts_with(one))
            }
            None => key.strip_prefix('#').map_or_else(|| is_word(key), is_dotted),
        };
        if is_known && key.len() <= 80 { self.replace(key) } else { "scrubbed".into() }
    }

    fn text(&self, name: Option<&str>, text: &str) -> Value {
        if let Some(stand_in) = self.known.get(text.trim()) {
            return stand_in.clone().into();
        }
        match name {
            Some(name) if KEPT.contains(&name) => plain(&self.replace(text)).into(),
            _ if text.is_empty() => "".into(),
            _ => "scrubbed".into(),
        }
    }

    fn emptied(&self, oem: &Value) -> Value {
        let keys = oem.as_object().into_iter().flatten().map(|(key, _)| (self.key(key), json!({})));
        Value::Object(keys.collect())
    }
}

/// Without anything that has the form of an address: `192.0.2.1`, `02:00:5e:00:00:01`, `user@host`.
fn plain(text: &str) -> String {
    let is_address = |word: &str| {
        let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != ':');
        let dotted = word.parse::<std::net::Ipv4Addr>().is_ok();
        let colons =
            word.matches(':').count() >= 2 && word.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
        (dotted || colons) && !word.to_ascii_uppercase().starts_with("02:00:5E:00:")
    };
    let scrubbed = |word: &str| {
        if is_address(word) || word.contains("://") || word.contains('@') && !word.starts_with('#') {
            "scrubbed".to_owned()
        } else {
            word.to_owned()
        }
    };
    text.chars().take(512).collect::<String>().split(' ').map(scrubbed).collect::<Vec<_>>().join(" ")
}

/// All that was read, scrubbed, as JSON; empty where it names too many things to be sure of.
pub(super) fn recording(quirks: &Quirks, user: &str, read: &[Read]) -> String {
    let mut known = StandIns::default();
    known.learn(Kind::User, user);
    for read in read {
        known.learn_all(None, &read.body);
    }
    if known.count > MOST {
        return String::new();
    }
    known.settle();
    let resources: Map<String, Value> = read
        .iter()
        .map(|read| {
            let headers: Map<String, Value> = read
                .headers
                .iter()
                .map(|(name, text)| ((*name).to_owned(), plain(&known.replace(text)).into()))
                .collect();
            let took = u64::try_from(read.took.as_millis()).unwrap_or(u64::MAX);
            let body = known.scrub(None, &read.body);
            let resource =
                json!({ "status": read.status, "headers": headers, "took_ms": took, "body": body });
            (known.replace(&read.path), resource)
        })
        .collect();
    let recording = json!({
        "underlay_recording": FORMAT,
        "made_with": env!("CARGO_PKG_VERSION"),
        "make": quirks.name,
        "resources": resources,
    });
    format!("{recording:#}\n")
}

#[cfg(test)]
mod tests;
