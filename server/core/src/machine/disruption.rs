//! What a change does to a running machine, as a pure function: the plan shows it, the server holds to it.
//!
//! Nothing but what `redeploy.on` names, or a raised `redeploy.generation`, re-images a machine; every other change is
//! taken in place or waits as pending.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Deployed, Spec, volume};

/// What a change does, from harmless to worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disruption {
    /// Nothing the installed system notices.
    #[default]
    None,
    /// It restarts.
    Reboot,
    /// The root disk is erased; other disks are kept.
    EraseRoot,
    /// Every disk is erased.
    EraseAll,
    /// It moves to another host.
    Move,
}

/// The worst disruption a user allows; the default is [`Disruption::Reboot`].
pub type Allowance = Disruption;

/// A part of the spec that can cause a re-image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// The image.
    Image,
    /// `user_data`, `ssh_keys`, `hostname`, and the machine's own profiles and values: what the seed says.
    Config,
    /// The network of the installed system.
    Network,
    /// The choice of the root disk.
    Root,
    /// What its disks beside the root disk are made into.
    Volumes,
    /// What it inherits from its profiles, its pool and its site. It never re-images by itself, because who changes it does
    /// not see the machine's plan: it waits for `redeploy.generation`.
    Values,
    /// Which steps it names before a deployment. They are done at the next one, and never cause one.
    PreDeploy,
    /// Which steps it names after a deployment. They are done on the machine as it runs, and never re-image it.
    PostDeploy,
}

impl Aspect {
    /// The word used in HCL.
    pub fn as_str(self) -> &'static str {
        match self {
            Aspect::Image => "image",
            Aspect::Config => "config",
            Aspect::Network => "network",
            Aspect::Root => "root",
            Aspect::Volumes => "volumes",
            Aspect::Values => "values",
            Aspect::PreDeploy => "pre_deploy",
            Aspect::PostDeploy => "post_deploy",
        }
    }
}

impl FromStr for Aspect {
    type Err = String;

    /// What `redeploy.on` may name.
    fn from_str(text: &str) -> Result<Self, String> {
        [Aspect::Image, Aspect::Config, Aspect::Network, Aspect::Root, Aspect::Volumes]
            .into_iter()
            .find(|aspect| aspect.as_str() == text)
            .ok_or_else(|| "use \"image\", \"config\", \"network\", \"root\" or \"volumes\"".into())
    }
}

impl Disruption {
    const ALL: [Disruption; 5] =
        [Disruption::None, Disruption::Reboot, Disruption::EraseRoot, Disruption::EraseAll, Disruption::Move];

    /// The word used in HCL.
    pub fn as_str(self) -> &'static str {
        match self {
            Disruption::None => "none",
            Disruption::Reboot => "reboot",
            Disruption::EraseRoot => "erase_root",
            Disruption::EraseAll => "erase_all",
            Disruption::Move => "move",
        }
    }
}

impl fmt::Display for Disruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Disruption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|disruption| disruption.as_str() == text)
            .ok_or_else(|| "use \"none\", \"reboot\", \"erase_root\", \"erase_all\" or \"move\"".into())
    }
}

/// What putting a spec does to what is deployed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The worst of it.
    pub disruption: Disruption,
    /// What differs and causes it.
    pub because: BTreeSet<Aspect>,
    /// What differs and waits until `redeploy.generation` is raised.
    pub pending: BTreeSet<Aspect>,
}

/// What putting `spec` does to a machine on which `deployed` runs; nothing runs on a new machine, so nothing is
/// disrupted there. `inherited` is the digest of what it inherits by now.
pub fn plan(spec: &Spec, inherited: Option<&str>, deployed: Option<&Deployed>) -> Change {
    let Some(deployed) = deployed else { return Change::default() };
    if !spec.stays_on(&deployed.host_name) {
        return Change { disruption: Disruption::Move, ..Change::default() };
    }
    if spec.stands() {
        // What it is given is taken in while it runs. To bring back what an image has written over is in nobody's power.
        let pending = if deployed.stands() { BTreeSet::new() } else { [Aspect::Image].into() };
        return Change { pending, ..Change::default() };
    }
    let mut wanted = Deployed::digests(spec);
    wanted.extend(inherited.map(|digest| (Aspect::Values, digest.to_owned())));
    // Volumes that are wanted no more are a difference too.
    let dropped = deployed.digests.contains_key(&Aspect::Volumes) && !wanted.contains_key(&Aspect::Volumes);
    let differs: BTreeSet<Aspect> = wanted
        .iter()
        .filter(|(aspect, digest)| deployed.digests.get(aspect) != Some(digest))
        .map(|(aspect, _)| *aspect)
        .chain(dropped.then_some(Aspect::Volumes))
        .collect();
    let raised = spec.redeploy.generation > deployed.redeploy_generation;
    let triggers = differs.iter().any(|aspect| spec.redeploy.on.contains(aspect));
    if raised || triggers {
        // A re-image takes everything that differs with it.
        let disruption =
            if volume::erases(&spec.volumes) { Disruption::EraseAll } else { Disruption::EraseRoot };
        return Change { disruption, because: differs, pending: BTreeSet::new() };
    }
    // These need no deployment, and are no reason for one.
    let pending = differs.into_iter().filter(|aspect| *aspect != Aspect::PostDeploy).collect();
    Change { disruption: Disruption::None, because: BTreeSet::new(), pending }
}

#[cfg(test)]
mod tests;
