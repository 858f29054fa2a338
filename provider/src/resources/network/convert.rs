//! `underlay_network` to the API and back.

use std::time::Duration;

use tfplugin::{Attr, Diagnostic, timeouts::parse_duration};
use underlay_proto::v1 as pb;

use super::model::{Dhcp, Model, range};
use crate::{
    client::Client,
    resources::object::{Mirror, fields},
    written::{Fit, Unfit, duration, nested, plain, seen_list, seen_map, seen_text, settled},
};

/// The server's lease time where none is given.
const LEASE: Duration = Duration::from_secs(3600);

impl Mirror for Model {
    type Noun = pb::Network;
    const WAIT: Duration = Duration::from_secs(2 * 60);
    const DELETE: Duration = Duration::from_secs(5 * 60);

    fields!(id);

    fn reopen(&mut self) {
        self.phase = Attr::Unknown;
    }

    fn put(
        client: &Client,
        plan: &Self,
        _config: &Self,
        _prior: Option<&Self>,
        options: pb::PutOptions,
    ) -> Fit<pb::PutNetworkRequest> {
        let key = client.key(plan.name.require()?);
        let spec = pb::NetworkSpec {
            cidr: plain(&plan.cidr)?,
            gateway: plain(&plan.gateway)?,
            dns: plain(&plan.dns)?,
            domain: plain(&plan.domain)?,
            dhcp: nested(&plan.dhcp, dhcp)?,
            unknown: plain(&plan.unknown)?,
            reservations: plain(&plan.reservations)?.into_iter().collect(),
        };
        Ok(pb::PutNetworkRequest { key: Some(key), spec: Some(spec), options: Some(options) })
    }

    fn read(prior: &Self, network: &pb::Network) -> Self {
        let meta = network.meta.clone().unwrap_or_default();
        let spec = network.spec.clone().unwrap_or_default();
        let before = prior.dhcp.clone().unwrap_or_default();
        Self {
            id: meta.id.into(),
            incarnation: meta.incarnation.into(),
            name: meta.key.map(|key| key.name).into(),
            cidr: seen_text(&spec.cidr),
            gateway: seen_text(&spec.gateway),
            dns: seen_list(&prior.dns, spec.dns),
            domain: seen_text(&spec.domain),
            dhcp: spec.dhcp.map(|dhcp| seen_dhcp(&before, &dhcp)).into(),
            unknown: seen_text(&spec.unknown),
            reservations: seen_reservations(&prior.reservations, spec.reservations.into_iter().collect()),
            phase: network.standing.clone().unwrap_or_default().phase.into(),
            timeouts: prior.timeouts.clone(),
        }
    }

    fn applied(plan: &Self, network: &pb::Network) -> Self {
        let fresh = Self::read(plan, network);
        let phase = settled(&plan.phase, fresh.phase);
        Self { id: fresh.id, incarnation: fresh.incarnation, phase, ..plan.clone() }
    }
}

fn dhcp(dhcp: &Dhcp) -> Fit<pb::Dhcp> {
    let text = plain(&dhcp.range)?;
    let (range_first, range_last) = match (text.as_str(), range(&text)) {
        ("", _) => ("", ""),
        (_, Some(ends)) => ends,
        (text, None) => return Err(wrong("dhcp.range", text)),
    };
    let lease = plain(&dhcp.lease)?;
    let seconds =
        if lease.is_empty() { Some(0) } else { parse_duration(&lease).map(|lease| lease.as_secs()) };
    let lease_seconds = seconds.and_then(|seconds| u32::try_from(seconds).ok());
    Ok(pb::Dhcp {
        mode: plain(&dhcp.mode)?,
        range_first: range_first.to_owned(),
        range_last: range_last.to_owned(),
        interface: plain(&dhcp.interface)?,
        lease_seconds: lease_seconds.ok_or_else(|| wrong("dhcp.lease", &lease))?,
    })
}

fn wrong(at: &str, text: &str) -> Unfit {
    Unfit::Wrong(
        Diagnostic::error(format!("Invalid value for {at}"), format!("{text:?} cannot be used here.")).at(at),
    )
}

fn seen_dhcp(before: &Dhcp, dhcp: &pb::Dhcp) -> Dhcp {
    let ends = (dhcp.range_first.as_str(), dhcp.range_last.as_str());
    let is_same = before.range.get().and_then(|text| range(text)) == Some(ends);
    let range = match ends {
        _ if is_same => before.range.clone(),
        ("", _) => Attr::Null,
        (first, last) => format!("{first}-{last}").into(),
    };
    let seconds = Duration::from_secs(dhcp.lease_seconds.into());
    let lease = match before.lease.get().map(|text| parse_duration(text)) {
        Some(written) if written == Some(seconds) => before.lease.clone(),
        None if seconds == LEASE => Attr::Null,
        _ => duration(seconds).into(),
    };
    Dhcp { mode: seen_text(&dhcp.mode), range, interface: seen_text(&dhcp.interface), lease }
}

type Reservations = std::collections::BTreeMap<String, String>;

/// MAC addresses are the same in upper case.
fn seen_reservations(prior: &Attr<Reservations>, seen: Reservations) -> Attr<Reservations> {
    let lower = |map: &Reservations| -> Reservations {
        map.iter().map(|(mac, address)| (mac.to_ascii_lowercase(), address.clone())).collect()
    };
    match prior.get() {
        Some(written) if lower(written) == lower(&seen) => prior.clone(),
        _ => seen_map(prior, seen),
    }
}
