//! Network on the wire, both ways.

use std::{collections::BTreeMap, net::Ipv4Addr};

use underlay_core::{
    FieldError, Mac, Object,
    network::{Dhcp, Mode, Network, Spec, Unknown},
};
use underlay_proto::v1 as pb;

use super::{faults::Faults, object};

const MODES: [(&str, Mode); 3] = [("server", Mode::Server), ("proxy", Mode::Proxy), ("off", Mode::Off)];
const UNKNOWN: [(&str, Unknown); 3] =
    [("discover", Unknown::Discover), ("local_disk", Unknown::LocalDisk), ("ignore", Unknown::Ignore)];

/// The lease time where none is given, in seconds.
const LEASE_SECONDS: u32 = 3600;

/// Reads a spec.
///
/// # Errors
/// Every fault, at its attribute.
pub(crate) fn spec(message: pb::NetworkSpec) -> Result<Spec, Vec<FieldError>> {
    let mut faults = Faults::default();
    let cidr = faults.parse("cidr", &message.cidr);
    let gateway = faults.parse_optional("gateway", &message.gateway);
    let dns = faults
        .list("dns", message.dns)
        .iter()
        .enumerate()
        .filter_map(|(at, address)| faults.parse(&format!("dns.{at}"), address))
        .collect();
    let domain = faults.optional("domain", message.domain);
    let dhcp = dhcp(&mut faults, message.dhcp.unwrap_or_default());
    let unknown = (!message.unknown.is_empty())
        .then(|| faults.word("unknown", &message.unknown, &UNKNOWN, Unknown::Ignore));
    let reservations = reservations(&mut faults, message.reservations);
    faults.into_result(cidr.map(|cidr| Spec { cidr, gateway, dns, domain, dhcp, unknown, reservations }))
}

fn dhcp(faults: &mut Faults, message: pb::Dhcp) -> Dhcp {
    if message.mode.is_empty() {
        faults.add("dhcp.mode", "say who answers DHCP: \"server\", \"proxy\" or \"off\"");
    }
    let mode = faults.word("dhcp.mode", &message.mode, &MODES, Mode::Off);
    let first = faults.parse_optional("dhcp.range", &message.range_first);
    let last = faults.parse_optional("dhcp.range", &message.range_last);
    if message.range_first.is_empty() != message.range_last.is_empty() {
        faults.add("dhcp.range", "needs both ends, written \"10.12.1.0-10.12.3.250\"");
    }
    Dhcp {
        mode,
        range: first.zip(last),
        interface: faults.optional("dhcp.interface", message.interface),
        lease_seconds: if message.lease_seconds == 0 { LEASE_SECONDS } else { message.lease_seconds },
    }
}

/// Reservations may be many: as many as a /18 has addresses.
fn reservations(
    faults: &mut Faults,
    entries: std::collections::HashMap<String, String>,
) -> BTreeMap<Mac, Ipv4Addr> {
    const RESERVATIONS: usize = 1 << 14;
    if entries.len() > RESERVATIONS {
        faults.add("reservations", format!("has more than {RESERVATIONS} entries"));
        return BTreeMap::new();
    }
    let mut read = BTreeMap::new();
    for (mac, address) in entries {
        let Some(mac) = faults.parse::<Mac>("reservations", &mac) else { continue };
        let path = format!("reservations.{mac}");
        let Some(address) = faults.parse(&path, &address) else { continue };
        if read.insert(mac, address).is_some() {
            faults.add(path, "is given twice, in two spellings");
        }
    }
    read
}

/// Spells a spec.
pub(crate) fn spec_message(spec: &Spec) -> pb::NetworkSpec {
    let (range_first, range_last) =
        spec.dhcp.range.map(|(first, last)| (first.to_string(), last.to_string())).unwrap_or_default();
    let mode = match spec.dhcp.mode {
        Mode::Server => "server",
        Mode::Proxy => "proxy",
        Mode::Off => "off",
    };
    let unknown = match spec.unknown {
        Some(Unknown::Discover) => "discover",
        Some(Unknown::LocalDisk) => "local_disk",
        Some(Unknown::Ignore) => "ignore",
        None => "",
    };
    pb::NetworkSpec {
        cidr: spec.cidr.to_string(),
        gateway: spec.gateway.map(|gateway| gateway.to_string()).unwrap_or_default(),
        dns: spec.dns.iter().map(ToString::to_string).collect(),
        domain: spec.domain.clone().unwrap_or_default(),
        dhcp: Some(pb::Dhcp {
            mode: mode.to_owned(),
            range_first,
            range_last,
            interface: spec.dhcp.interface.clone().unwrap_or_default(),
            lease_seconds: spec.dhcp.lease_seconds,
        }),
        unknown: unknown.to_owned(),
        reservations: spec
            .reservations
            .iter()
            .map(|(mac, address)| (mac.to_string(), address.to_string()))
            .collect(),
    }
}

/// Spells a network.
pub(crate) fn message(network: &Object<Network>) -> pb::Network {
    pb::Network {
        meta: Some(object::meta(&network.meta)),
        spec: Some(spec_message(&network.spec)),
        status: Some(pb::NetworkStatus {
            conditions: network.status.conditions.iter().map(object::condition).collect(),
        }),
        standing: Some(object::standing(network)),
    }
}
