//! A host as it may be given to a machine: what it is, and whether it can be had.

use std::collections::BTreeMap;

use crate::{
    Name, Object, ObjectId,
    host::{self, Facts, Host},
    pool::Trust,
};

/// A host that may be given to a machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The host.
    pub id: ObjectId,
    /// Its owner.
    pub owner: Name,
    /// Its name.
    pub name: Name,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What is known of it.
    pub facts: Facts,
    /// Can it be had?
    pub availability: Availability,
}

/// Can a host be had?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// Now.
    Free,
    /// A machine has it.
    Claimed(ObjectId),
    /// Its driver has not answered yet.
    Enrolling,
    /// Its disks are being wiped, or are about to be.
    Cleaning,
    /// Its agent looks at what it is made of.
    Inspecting,
    /// It was set aside.
    Quarantined,
    /// It is being destroyed.
    Leaving,
    /// Its operator lets nothing be installed on it.
    Protected,
    /// Nobody can switch it, so nothing can be installed on it.
    Undriven,
    /// None of its ways to boot is one that its pool trusts.
    Untrusted,
}

impl Availability {
    /// Why it cannot be had, in a word; `None` when it can.
    pub fn obstacle(self) -> Option<&'static str> {
        match self {
            Availability::Free => None,
            Availability::Claimed(_) => Some("claimed"),
            Availability::Enrolling => Some("enrolling"),
            Availability::Cleaning => Some("being cleaned"),
            Availability::Inspecting => Some("being inspected"),
            Availability::Quarantined => Some("quarantined"),
            Availability::Leaving => Some("being destroyed"),
            Availability::Protected => Some("protected"),
            Availability::Undriven => Some("without a driver"),
            Availability::Untrusted => Some("without a way to boot that the pool trusts"),
        }
    }
}

impl Availability {
    /// The machine that has it.
    pub fn holder(self) -> Option<ObjectId> {
        match self {
            Availability::Claimed(machine) => Some(machine),
            _ => None,
        }
    }
}

impl Candidate {
    /// The same in a pool that trusts no more than this.
    #[must_use]
    pub fn trusted(self, host: &Object<Host>, trust: Trust) -> Self {
        let boots = host.spec.boot.methods.iter().any(|method| trust.allows(*method));
        match self.availability {
            Availability::Free if !boots => Self { availability: Availability::Untrusted, ..self },
            _ => self,
        }
    }

    /// The host as a candidate; `holder` has its claim.
    pub fn new(host: &Object<Host>, holder: Option<ObjectId>) -> Self {
        let availability = match (&host.state, holder) {
            _ if host.meta.deleted_at.is_some() => Availability::Leaving,
            (host::State::Leaving, _) => Availability::Leaving,
            (host::State::Quarantined { .. }, _) => Availability::Quarantined,
            (host::State::Tended { tending }, _) if tending.purpose == host::Purpose::Inspect => {
                Availability::Inspecting
            }
            (host::State::Tended { .. }, _) => Availability::Cleaning,
            // It was let go, and its controller has not looked at it since.
            (_, Some(holder)) if holder == host.meta.id => Availability::Cleaning,
            (_, Some(machine)) => Availability::Claimed(machine),
            (host::State::Enrolling, None) => Availability::Enrolling,
            (host::State::Available, None) if host.spec.protected => Availability::Protected,
            (host::State::Available, None) if host.spec.driver == host::Driver::None => {
                Availability::Undriven
            }
            (host::State::Available, None) => Availability::Free,
        };
        Self {
            id: host.meta.id,
            owner: host.meta.key.owner.clone(),
            name: host.meta.key.name.clone(),
            labels: host.spec.labels.clone(),
            facts: Facts::of(host),
            availability,
        }
    }
}
