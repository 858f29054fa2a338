//! Which of the hosts that are known is the machine that was found? A pure judgement, over what counts: serial number,
//! system UUID, MACs.
//!
//! A host is the machine when everything its enrolment gives is found, nothing that its agent found before speaks
//! against it, and no other host has as good a claim. Whatever is less is named, and never guessed: the caller hands out
//! nothing then.

use std::fmt::Write as _;

use super::Traits;
use crate::{Mac, Object, ObjectId, host::Host};

/// A host, as far as it can be told from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub host: ObjectId,
    /// Its name, for texts.
    pub name: String,
    /// What the enrolment says.
    pub enrolled: Traits,
    /// What its agent or its driver found, as of its last visit.
    pub seen: Traits,
}

impl Known {
    /// What is known of a host.
    pub fn of(host: &Object<Host>) -> Self {
        let boot = host.status.boot_mac;
        let seen = match &host.status.inventory {
            Some(inventory) => Traits::of(inventory, boot),
            None => Traits { macs: boot.into_iter().collect(), ..Traits::default() },
        };
        let enrolled = Traits::enrolled(&host.spec.identity);
        Self { host: host.meta.id, name: host.meta.key.name.to_string(), enrolled, seen }
    }

    /// Does it share anything with `found`?
    pub fn touches(&self, found: &Traits) -> bool {
        self.enrolled.touches(found) || self.seen.touches(found)
    }
}

/// Whose machine it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody's.
    #[default]
    Unknown,
    /// This host's.
    Is(ObjectId),
    /// It could be that of any of these.
    Ambiguous {
        /// The hosts.
        hosts: Vec<ObjectId>,
        /// What they share.
        why: String,
    },
    /// It has something of each of these, and something that is not theirs.
    Conflict {
        /// The hosts.
        hosts: Vec<ObjectId>,
        /// What fits, and what does not.
        why: String,
    },
}

impl Verdict {
    /// Why nobody can say whose it is, and which hosts that is about.
    pub fn doubt(&self) -> Option<(&[ObjectId], &str)> {
        match self {
            Verdict::Unknown | Verdict::Is(_) => None,
            Verdict::Ambiguous { hosts, why } | Verdict::Conflict { hosts, why } => Some((hosts, why)),
        }
    }
}

/// How much something says about whose it is: a NIC is moved more easily than a mainboard loses its serial number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Mac,
    Uuid,
    Serial,
}

impl Weight {
    fn word(self) -> &'static str {
        match self {
            Weight::Mac => "a MAC",
            Weight::Uuid => "the UUID",
            Weight::Serial => "the serial number",
        }
    }
}

/// What speaks for a host, and what against it.
struct Relation<'a> {
    known: &'a Known,
    /// The strongest of what fits.
    fits: Weight,
    against: Vec<String>,
}

/// Judges whose machine it is that was found.
pub fn judge<'a>(known: impl IntoIterator<Item = &'a Known>, found: &Traits) -> Verdict {
    let mut related: Vec<Relation<'_>> = known.into_iter().filter_map(|known| relate(known, found)).collect();
    // Whoever feeds us may have no order.
    related.sort_by_key(|relation| relation.known.host);
    let (whole, torn): (Vec<_>, Vec<_>) =
        related.into_iter().partition(|relation| relation.against.is_empty());
    match whole.as_slice() {
        [] if torn.is_empty() => Verdict::Unknown,
        [] => Verdict::Conflict { hosts: ids(&torn), why: why(&torn) },
        [one] => {
            let rivals: Vec<_> = torn.into_iter().filter(|rival| rival.fits >= one.fits).collect();
            if rivals.is_empty() {
                return Verdict::Is(one.known.host);
            }
            let own = format!("it has {} of host {}; {}", one.fits.word(), one.known.name, why(&rivals));
            let mut hosts = ids(&rivals);
            hosts.push(one.known.host);
            Verdict::Conflict { hosts, why: own }
        }
        several => {
            let names: Vec<&str> = several.iter().map(|relation| relation.known.name.as_str()).collect();
            let why = format!("hosts {} are enrolled as this same machine", names.join(", "));
            Verdict::Ambiguous { hosts: ids(several), why }
        }
    }
}

fn ids(relations: &[Relation<'_>]) -> Vec<ObjectId> {
    relations.iter().map(|relation| relation.known.host).collect()
}

fn why(relations: &[Relation<'_>]) -> String {
    let mut text = String::new();
    for relation in relations.iter().take(4) {
        let separator = if text.is_empty() { "" } else { "; " };
        let Relation { known, fits, against } = relation;
        let _ = write!(
            text,
            "{separator}it has {} of host {}, but {}",
            fits.word(),
            known.name,
            against.join(", and ")
        );
    }
    text
}

/// What a host and the machine have in common; nothing, where that is nothing.
fn relate<'a>(known: &'a Known, found: &Traits) -> Option<Relation<'a>> {
    let Known { enrolled, seen, .. } = known;
    let mut fits = None;
    let mut against = Vec::new();
    if found.serial.is_some() && (found.serial == enrolled.serial || found.serial == seen.serial) {
        fits = fits.max(Some(Weight::Serial));
    }
    let serials = [&enrolled.serial, &seen.serial, &found.serial].map(Option::as_deref);
    against.extend(odds("serial number", serials));
    if found.uuid.is_some() && (found.uuid == enrolled.uuid || found.uuid == seen.uuid) {
        fits = fits.max(Some(Weight::Uuid));
    }
    let uuids = [enrolled.uuid, seen.uuid, found.uuid].map(|uuid| uuid.map(|uuid| uuid.to_string()));
    against.extend(odds("UUID", uuids.each_ref().map(Option::as_deref)));
    let missing: Vec<&Mac> = enrolled.macs.difference(&found.macs).collect();
    if missing.is_empty() && !(enrolled.macs.is_empty() && seen.macs.is_disjoint(&found.macs)) {
        fits = fits.max(Some(Weight::Mac));
    }
    if let [mac, ..] = missing.as_slice() {
        against.push(format!("none of its NICs has the MAC {mac} of the enrolment: was the NIC moved?"));
    }
    // One that has all but the enrolled NIC may still have others of the host's.
    if fits.is_none() && !seen.macs.is_disjoint(&found.macs) {
        fits = Some(Weight::Mac);
    }
    fits.map(|fits| Relation { known, fits, against })
}

/// How what was found is at odds with the enrolment or, where that says nothing, with what was found before.
fn odds(what: &str, [enrolled, before, found]: [Option<&str>; 3]) -> Option<String> {
    match (enrolled, before, found) {
        (Some(enrolled), _, Some(found)) if enrolled != found => {
            Some(format!("its {what} is {found}, and {enrolled} by the enrolment"))
        }
        (Some(enrolled), _, None) => Some(format!("it has no {what}, and {enrolled} by the enrolment")),
        (None, Some(before), Some(found)) if before != found => {
            Some(format!("its {what} is {found}, and was {before} when the agent was there before"))
        }
        _ => None,
    }
}

/// Are these two machines, that report at the same time, at odds about which of them is which? In words.
pub fn clash(one: &Traits, other: &Traits) -> Option<String> {
    let same_serial = one.serial.is_some() && one.serial == other.serial;
    let same_uuid = one.uuid.is_some() && one.uuid == other.uuid;
    let shared = one.macs.intersection(&other.macs).next();
    let two_serials = one.serial.is_some() && other.serial.is_some() && !same_serial;
    let two_uuids = one.uuid.is_some() && other.uuid.is_some() && !same_uuid;
    match shared {
        Some(mac) if two_serials || two_uuids => {
            Some(format!("two machines that report now have the MAC {mac}"))
        }
        Some(_) => None,
        None if same_serial => {
            let serial = one.serial.as_deref().unwrap_or_default();
            Some(format!("two machines that report now have the serial number {serial}"))
        }
        // A cloned UUID beside two serial numbers is not what tells them apart.
        None if same_uuid && !two_serials => {
            let uuid = one.uuid.unwrap_or_default();
            Some(format!("two machines that report now have the UUID {uuid}"))
        }
        None => None,
    }
}

#[cfg(test)]
mod tests;
