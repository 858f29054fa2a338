//! The fingerprint of a Preview: `b3:HEX:gGENERATION:eEPOCH:DISRUPTION`. The hash covers who the object is, what is
//! deployed and what is wanted; the rest is written out so that the error can say what has moved since.
//!
//! It binds the server to what was shown; it is no proof against its holder, whom `allow_disruption` fences.

use std::fmt;

use underlay_core::{Object, machine::Disruption};

use super::Rules;

/// What a Preview was based on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    hash: String,
    generation: i64,
    epoch: i64,
    disruption: Disruption,
}

impl Fingerprint {
    /// Of a Put of `spec` over `existing`.
    pub(crate) fn of<N: Rules>(spec: &N::Spec, existing: Option<&Object<N>>, disruption: Disruption) -> Self {
        let generation = existing.map_or(0, |existing| existing.meta.generation);
        let (epoch, deployed) = existing.map(N::deployed).unwrap_or_default();
        let id = existing.map(|existing| existing.meta.id.to_string()).unwrap_or_default();
        let spec = serde_json::to_string(spec).unwrap_or_default();
        let text = serde_json::json!([id, generation, epoch, deployed, spec, disruption.as_str()]);
        let hash = blake3::hash(text.to_string().as_bytes()).to_hex().to_string();
        Self { hash, generation, epoch, disruption }
    }

    /// Reads what [`fmt::Display`] wrote.
    pub(crate) fn read(text: &str) -> Option<Self> {
        if text.len() > 200 {
            return None;
        }
        let mut parts = text.split(':');
        let mut next = || parts.next();
        let ("b3", hash, generation, epoch, disruption) = (next()?, next()?, next()?, next()?, next()?)
        else {
            return None;
        };
        Some(Self {
            hash: hash.to_owned(),
            generation: generation.strip_prefix('g')?.parse().ok()?,
            epoch: epoch.strip_prefix('e')?.parse().ok()?,
            disruption: disruption.parse().ok()?,
        })
        .filter(|_| parts.next().is_none())
    }

    /// What has moved since `approved` was shown, if it made things worse.
    pub(crate) fn worse_than(&self, approved: &Self) -> Option<String> {
        if self.disruption <= approved.disruption {
            return None;
        }
        let mut moved = vec![format!(
            "the plan that was approved causes disruption \"{}\", by now it would cause \"{}\"",
            approved.disruption, self.disruption
        )];
        if self.generation != approved.generation {
            let (then, now) = (approved.generation, self.generation);
            moved.push(format!("the object was at generation {then} then and is at {now} now"));
        }
        if self.epoch != approved.epoch {
            let (then, now) = (approved.epoch, self.epoch);
            moved.push(format!("deployment {then} was on its disk then, {now} is now"));
        }
        if moved.len() == 1 && self.hash != approved.hash {
            moved.push("the spec or what is deployed is another one".into());
        }
        Some(moved.join("; "))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hash, generation, epoch, disruption } = self;
        write!(f, "b3:{hash}:g{generation}:e{epoch}:{disruption}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(disruption: Disruption, generation: i64, epoch: i64) -> Fingerprint {
        Fingerprint { hash: "aa".repeat(32), generation, epoch, disruption }
    }

    #[test]
    fn a_fingerprint_reads_back_as_it_was_written() {
        let one = print(Disruption::EraseRoot, 3, 2);
        assert_eq!(Fingerprint::read(&one.to_string()), Some(one));
    }

    #[test]
    fn other_text_is_no_fingerprint() {
        for text in
            ["", "b3:", "b3:aa:g1:e1:nothing", "b3:aa:g1:e1:none:more", "b3:aa:1:1:none", "x3:aa:g1:e1:none"]
        {
            assert_eq!(Fingerprint::read(text), None, "{text}");
        }
    }

    #[test]
    fn only_what_is_worse_is_said_to_have_moved() {
        let approved = print(Disruption::None, 1, 1);
        assert_eq!(print(Disruption::None, 2, 2).worse_than(&approved), None);
        let why = print(Disruption::EraseRoot, 2, 1).worse_than(&approved).unwrap();
        assert!(why.contains("\"erase_root\"") && why.contains("generation 1 then and is at 2"), "{why}");
    }
}
