//! Where a machine stands with its controller, and what is on its disk.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ADOPTED, Aspect, Spec};
use crate::{
    Failure, ObjectId,
    pool::Trust,
    step::{Course, When},
};

/// The lifecycle of a machine, in the order in which a deployment passes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Looking for what the spec names: host, image; claiming the host.
    #[default]
    Pending,
    /// The host is ours; it is switched off, so that it starts from a known point.
    PoweringOff {
        /// This deployment.
        run: Run,
    },
    /// Set to boot the agent, and switched on.
    PoweringOn {
        /// This deployment.
        run: Run,
    },
    /// Waiting for the agent to call home.
    Booting {
        /// This deployment.
        run: Run,
    },
    /// The agent is up, and what is to be done before a deployment is done.
    PreDeploy {
        /// This deployment.
        run: Run,
        /// How far that is.
        course: Course,
    },
    /// The agent checks the host, writes the image and its seed.
    Imaging {
        /// This deployment.
        run: Run,
    },
    /// The host starts from its disk; waiting for the installed system to call its one-time URL.
    Starting {
        /// This deployment.
        run: Run,
    },
    /// The host's system is taken as it stands: waiting for the agent that lives on it to write the machine's attributes.
    Adopting {
        /// What is taken, with the attributes that it is to have.
        deployed: Deployed,
    },
    /// The installed system is up, and what is to be done after a deployment is done.
    PostDeploy {
        /// The deployment; what is on the disk counts as what was there before.
        run: Run,
        /// How far that is.
        course: Course,
    },
    /// What was wanted runs.
    Ready {
        /// What is on the disk.
        deployed: Deployed,
    },
    /// A deployment failed; a new generation tries again.
    Failed {
        /// The deployment that failed, where it had begun.
        run: Option<Run>,
        /// What ran before and still runs, if the disk was not touched.
        deployed: Option<Deployed>,
        /// The generation that failed.
        generation: i64,
    },
    /// The host is at fault and nothing was ready on it: letting it go, to take another.
    Replacing {
        /// The deployment that failed.
        run: Run,
        /// Why.
        failure: Failure,
    },
    /// Letting the host go.
    Releasing {
        /// The host that is let go.
        host: Option<ObjectId>,
    },
}

/// One deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The machine's generation it carries out.
    pub generation: i64,
    /// The fence: counts the agent boots this machine asked for, over all deployments.
    pub epoch: i64,
    /// The claimed host.
    pub host: ObjectId,
    /// What will be on the disk when it is done.
    pub target: Deployed,
    /// What was on the disk before and is there until the first byte is written.
    pub previous: Option<Box<Deployed>>,
    /// Digest of the one-time URL the installed system will call.
    pub phone_home: Option<String>,
    /// Is an agent taken over that waits in the host's RAM already?
    #[serde(default, skip_serializing_if = "Takeover::is_open")]
    pub takeover: Takeover,
    /// How many of the host's ways to boot were tried before.
    #[serde(default)]
    pub attempt: u32,
    /// What the pool trusted when the token of this boot was given out.
    #[serde(default, skip_serializing_if = "Trust::is_segment")]
    pub trust: Trust,
}

/// How a deployment comes by an agent that was up in the host's RAM before it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Takeover {
    /// Nobody has looked for one yet.
    #[default]
    Open,
    /// One waited, and is expected to take the token.
    Begun,
    /// It did not come: the host is booted as any other.
    Over,
}

impl Takeover {
    fn is_open(&self) -> bool {
        *self == Takeover::Open
    }
}

/// In place of the digest of its steps: they are still to be done.
const OWED: &str = "owed";

/// What is on the disk of a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deployed {
    /// The host it runs on.
    pub host: ObjectId,
    /// That host's name, as the spec wrote it.
    pub host_name: String,
    /// The image, `NAME@sha256:HEX`.
    pub image: String,
    /// Digest of each part of the spec that a re-image takes in.
    pub digests: BTreeMap<Aspect, String>,
    /// `redeploy.generation` that was carried out.
    pub redeploy_generation: i64,
    /// The epoch of the deployment that wrote it, or of a later one that was called off and started it again.
    pub epoch: i64,
    /// When it became ready.
    pub ready_at: Option<Timestamp>,
}

impl Deployed {
    /// Digest of each part of `spec`, BLAKE3 in hex. The image counts by its content, not by its name. What the machine
    /// inherits is no part of its spec; see [`Deployed::inheriting`].
    pub fn digests(spec: &Spec) -> BTreeMap<Aspect, String> {
        let digest =
            |value: serde_json::Value| blake3::hash(value.to_string().as_bytes()).to_hex().to_string();
        let image = super::spec::image_digest(&spec.image).unwrap_or(&spec.image);
        let mut config = vec![
            serde_json::json!(spec.hostname),
            serde_json::json!(spec.ssh_keys),
            serde_json::json!(spec.user_data_digest),
        ];
        if !spec.profiles.is_empty() {
            config.push(serde_json::json!([spec.profiles, spec.values, spec.secret_values]));
        }
        // None is as if there had never been any.
        let steps = [(Aspect::PreDeploy, When::PreDeploy), (Aspect::PostDeploy, When::PostDeploy)];
        let steps = steps.into_iter().filter(|(_, when)| !spec.steps.at(*when).is_empty());
        let steps = steps.map(|(aspect, when)| (aspect, digest(serde_json::json!(spec.steps.at(when)))));
        let mut digests = BTreeMap::from([
            (Aspect::Image, digest(serde_json::json!(image))),
            (Aspect::Config, digest(serde_json::Value::Array(config))),
            (Aspect::Network, digest(serde_json::json!(spec.network))),
            (Aspect::Root, digest(serde_json::json!(spec.root))),
        ]);
        // A machine that has none is as it was before there were any.
        if !spec.volumes.is_empty() {
            digests.insert(Aspect::Volumes, digest(serde_json::json!(spec.volumes)));
        }
        digests.extend(steps);
        digests
    }

    /// What `spec` puts on the disk of `host`, whose name is `name` unless the spec says it in its own way.
    pub fn of(spec: &Spec, host: ObjectId, name: &str, epoch: i64) -> Self {
        Self {
            host,
            host_name: spec.host.clone().unwrap_or_else(|| name.to_owned()),
            image: spec.image.clone(),
            digests: Self::digests(spec),
            redeploy_generation: spec.redeploy.generation,
            epoch,
            ready_at: None,
        }
    }

    /// The same with what the machine inherits from its profiles, pool and site, by its digest.
    pub fn inheriting(mut self, digest: Option<String>) -> Self {
        match digest {
            Some(digest) => drop(self.digests.insert(Aspect::Values, digest)),
            None => drop(self.digests.remove(&Aspect::Values)),
        }
        self
    }

    /// Is it a system that stood there before the machine?
    pub fn stands(&self) -> bool {
        self.image == ADOPTED
    }

    /// The same, with its steps after the deployment still to be done.
    #[must_use]
    pub fn owing_steps(mut self) -> Self {
        self.digests.insert(Aspect::PostDeploy, OWED.to_owned());
        self
    }

    /// The same, with the steps after the deployment done that `spec` names.
    #[must_use]
    pub fn with_steps_of(mut self, spec: &Spec) -> Self {
        match Self::digests(spec).remove(&Aspect::PostDeploy) {
            Some(digest) => drop(self.digests.insert(Aspect::PostDeploy, digest)),
            None => drop(self.digests.remove(&Aspect::PostDeploy)),
        }
        self
    }

    /// Are there steps after the deployment to be done: because it was never done with them, or because `spec` names others?
    /// That it names none any more asks for nothing.
    pub fn lacks_steps_of(&self, spec: &Spec) -> bool {
        let done = self.digests.get(&Aspect::PostDeploy).map(String::as_str);
        let wanted = Self::digests(spec).remove(&Aspect::PostDeploy);
        done == Some(OWED) || (wanted.is_some() && wanted.as_deref() != done)
    }

    /// Is it what `spec` says, whatever the machine inherits, and whichever steps come after it?
    pub fn is_of(&self, spec: &Spec) -> bool {
        let counts = |aspect: &Aspect| !matches!(aspect, Aspect::Values | Aspect::PostDeploy);
        let own = self.digests.iter().filter(|(aspect, _)| counts(aspect));
        own.eq(Self::digests(spec).iter().filter(|(aspect, _)| counts(aspect)))
    }
}

impl State {
    /// The deployment under way or failed.
    pub fn run(&self) -> Option<&Run> {
        match self {
            State::PoweringOff { run }
            | State::PoweringOn { run }
            | State::Booting { run }
            | State::PreDeploy { run, .. }
            | State::Imaging { run }
            | State::Starting { run }
            | State::PostDeploy { run, .. }
            | State::Replacing { run, .. } => Some(run),
            State::Failed { run, .. } => run.as_ref(),
            State::Pending | State::Adopting { .. } | State::Ready { .. } | State::Releasing { .. } => None,
        }
    }

    /// What is on the disk, as far as is known: what was there before counts until the first byte is written.
    pub fn deployed(&self) -> Option<&Deployed> {
        match self {
            State::Adopting { deployed } | State::Ready { deployed } => Some(deployed),
            State::Failed { deployed, .. } => deployed.as_ref(),
            State::PoweringOff { run }
            | State::PoweringOn { run }
            | State::Booting { run }
            | State::PreDeploy { run, .. }
            | State::PostDeploy { run, .. } => run.previous.as_deref(),
            _ => None,
        }
    }
}

impl crate::State for State {
    fn phase(&self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::PoweringOff { .. } => "powering_off",
            State::PoweringOn { .. } => "powering_on",
            State::Booting { .. } => "booting",
            State::PreDeploy { .. } => "pre_deploy",
            State::Imaging { .. } => "imaging",
            State::Starting { .. } => "starting",
            State::Adopting { .. } => "adopting",
            State::PostDeploy { .. } => "post_deploy",
            State::Ready { .. } => "ready",
            State::Failed { .. } => "failed",
            State::Replacing { .. } => "replacing",
            State::Releasing { .. } => "releasing",
        }
    }

    fn is_settled(&self) -> bool {
        matches!(self, State::Ready { .. } | State::Failed { .. })
    }
}
