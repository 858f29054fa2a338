//! `bind` of `underlay_pool`: which machines that nobody enrolled become its hosts.

use std::collections::BTreeMap;

use tfplugin::{Attr, Schema, schema::validate};
use underlay_proto::v1 as pb;

use crate::{
    size,
    written::{Fit, bytes, nested, plain, seen_bytes, seen_list, seen_map, seen_text},
};

/// A rule: a machine that boots the agent, is no host and fits it becomes one.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Rule {
    /// What the machine must be: everything that is given must hold, and something must be given.
    #[tf(required)]
    pub r#match: Attr<Match>,
    /// The labels that its host gets.
    #[tf(optional)]
    pub labels: Attr<BTreeMap<String, String>>,
}

/// What a machine must be. Texts are patterns in which `*` stands for anything; upper and lower case are the same.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Match {
    /// Name of the `underlay_network` it was seen on.
    #[tf(optional)]
    pub network: Attr<String>,
    /// Who made it, as its firmware says (SMBIOS): `Dell*`.
    #[tf(optional)]
    pub vendor: Attr<String>,
    /// Its model, as its firmware says: `PowerEdge R6*`.
    #[tf(optional)]
    pub product: Attr<String>,
    /// Its serial number.
    #[tf(optional)]
    pub serial: Attr<String>,
    /// MAC of the NIC it booted over: `52:54:00:*`.
    #[tf(optional)]
    pub mac: Attr<String>,
    /// `x86_64` or `aarch64`.
    #[tf(optional, validate = validate::one_of(&["x86_64", "aarch64"]))]
    pub arch: Attr<String>,
    /// `uefi` or `bios`, as it booted.
    #[tf(optional, validate = validate::one_of(&["uefi", "bios"]))]
    pub firmware: Attr<String>,
    /// At least so many logical CPUs.
    #[tf(optional, validate = validate::between(1..=i64::from(u32::MAX)))]
    pub cpus: Attr<i64>,
    /// At least so much memory, such as `256GiB`. A machine has a little less to use than is built in.
    #[tf(optional, validate = size::valid)]
    pub memory: Attr<String>,
    /// At least so many disks that may be written.
    #[tf(optional, validate = validate::between(1..=i64::from(u32::MAX)))]
    pub disks: Attr<i64>,
    /// At least so many GPUs.
    #[tf(optional, validate = validate::between(1..=i64::from(u32::MAX)))]
    pub gpus: Attr<i64>,
}

pub(super) fn rules(rules: &Attr<Vec<Rule>>) -> Fit<Vec<pb::BindRule>> {
    plain(rules)?.iter().map(rule).collect()
}

fn rule(rule: &Rule) -> Fit<pb::BindRule> {
    let labels = plain(&rule.labels)?.into_iter().collect();
    Ok(pb::BindRule { r#match: nested(&rule.r#match, wants)?, labels })
}

fn wants(wants: &Match) -> Fit<pb::BindMatch> {
    // Their validators have bounded them.
    let least = |number: &Attr<i64>| nested(number, |number| Ok(u32::try_from(*number).unwrap_or(u32::MAX)));
    let memory = bytes("bind.match.memory", &wants.memory)?;
    Ok(pb::BindMatch {
        network: plain(&wants.network)?,
        vendor: plain(&wants.vendor)?,
        product: plain(&wants.product)?,
        serial: plain(&wants.serial)?,
        mac: plain(&wants.mac)?,
        arch: plain(&wants.arch)?,
        firmware: plain(&wants.firmware)?,
        cpus: least(&wants.cpus)?,
        memory_bytes: Some(memory).filter(|memory| *memory != 0),
        disks: least(&wants.disks)?,
        gpus: least(&wants.gpus)?,
    })
}

pub(super) fn seen_rules(prior: &Attr<Vec<Rule>>, seen: &[pb::BindRule]) -> Attr<Vec<Rule>> {
    let written = prior.get().cloned().unwrap_or_default();
    let rules = seen.iter().enumerate().map(|(at, rule)| seen_rule(written.get(at), rule)).collect();
    seen_list(prior, rules)
}

fn seen_rule(written: Option<&Rule>, seen: &pb::BindRule) -> Rule {
    let before = written.cloned().unwrap_or_default();
    let prior = before.r#match.clone().unwrap_or_default();
    let wants = seen.r#match.clone().unwrap_or_default();
    let least = |number: Option<u32>| number.map(i64::from).map_or(Attr::Null, Attr::Value);
    let wants = Match {
        network: seen_text(&wants.network),
        vendor: seen_text(&wants.vendor),
        product: seen_text(&wants.product),
        serial: seen_text(&wants.serial),
        mac: seen_text(&wants.mac),
        arch: seen_text(&wants.arch),
        firmware: seen_text(&wants.firmware),
        cpus: least(wants.cpus),
        memory: seen_bytes(&prior.memory, wants.memory_bytes.unwrap_or_default()),
        disks: least(wants.disks),
        gpus: least(wants.gpus),
    };
    let labels = seen_map(&before.labels, seen.labels.clone().into_iter().collect());
    Rule { r#match: Attr::Value(wants), labels }
}
