//! What a tenant wants to run, and where.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Allowance, Aspect, Network, Require, Spread, Volume, volume};
use crate::{
    Bytes, FieldError, Kind, Reference,
    profile::{SecretValues, Values, validate_values},
    step::Steps,
};

/// The name under which a machine's `user_data` is sealed.
pub const USER_DATA: &str = "user_data";

/// What `image` says of a machine that takes the system of an adopted host as it stands: nothing is installed.
pub const ADOPTED: &str = "adopted";

/// Desired state of a machine. `user_data` is sealed apart from it; here stands only its digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Host name of the installed system.
    pub hostname: String,
    /// The image, `NAME@sha256:HEX`; or [`ADOPTED`].
    pub image: String,
    /// The host to claim, by name; left out where `require` says what it must be.
    #[serde(default)]
    pub host: Option<String>,
    /// What the host must be, where it is not named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require: Option<Require>,
    /// How it stands apart from the other machines of its group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<Spread>,
    /// Which disk becomes the root disk.
    pub root: RootHint,
    /// What its other disks are made into, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, Volume>,
    /// The installed system's own network; left out: DHCP on the boot NIC.
    pub network: Option<Network>,
    /// Public keys for the image's default user and root, in `authorized_keys` form.
    pub ssh_keys: Vec<String>,
    /// BLAKE3 of `user_data`, hex; the data itself is sealed.
    pub user_data_digest: Option<String>,
    /// Its profiles: which attributes it has, and what they are where it does not say. Of two that give one, the first wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<String>,
    /// What it says itself of its attributes.
    #[serde(default, skip_serializing_if = "Values::is_empty")]
    pub values: Values,
    /// What is known of the values that are sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_values: Option<SecretValues>,
    /// What is done for it before and after a deployment, after what its pool names.
    #[serde(default, skip_serializing_if = "Steps::is_empty")]
    pub steps: Steps,
    /// The worst disruption an apply may cause without being refused.
    pub allow_disruption: Allowance,
    /// What re-images the machine in place.
    pub redeploy: Redeploy,
    /// When it counts as ready.
    pub wait_for: WaitFor,
}

/// Which disk; every hint given must match, and exactly one disk must be left.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RootHint {
    /// `nvme`, `ssd`, `hdd` or `virtio`.
    pub kind: Option<String>,
    /// At least this large.
    pub min_size: Option<Bytes>,
    /// Serial number.
    pub serial: Option<String>,
    /// World wide name.
    pub wwn: Option<String>,
    /// Name under `/dev/disk/by-path`.
    pub by_path: Option<String>,
}

/// What re-images the machine in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redeploy {
    /// A change of any of these does.
    pub on: BTreeSet<Aspect>,
    /// Raised by the user to re-image with everything that waits as pending.
    pub generation: i64,
}

impl Default for Redeploy {
    fn default() -> Self {
        Self { on: [Aspect::Image].into(), generation: 1 }
    }
}

/// When a machine counts as ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitFor {
    /// The installed system has called its one-time URL.
    #[default]
    Booted,
    /// The image is on the disk and the host was told to start it.
    Written,
}

impl crate::Spec for Spec {
    fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        let label = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let labels = self.hostname.split('.').all(|part| {
            !part.is_empty()
                && part.len() <= 63
                && part.chars().all(label)
                && !part.starts_with('-')
                && !part.ends_with('-')
        });
        if !labels || self.hostname.len() > 253 {
            errors.push(FieldError::new(
                "hostname",
                "must be a host name of letters, digits and '-' (RFC 1123)",
            ));
        }
        if self.stands() {
            self.validate_standing(&mut errors);
        } else if image_digest(&self.image).is_none() {
            let message = "must be an image's id, NAME@sha256:HEX; write underlay_image.NAME.id, or \"adopted\" for the \
                           system that is on an adopted host";
            errors.push(FieldError::new("image", message));
        }
        if let Some(kind) = &self.root.kind
            && !["nvme", "ssd", "hdd", "virtio"].contains(&kind.as_str())
        {
            errors.push(FieldError::new("root.kind", "use \"nvme\", \"ssd\", \"hdd\" or \"virtio\""));
        }
        for (position, key) in self.ssh_keys.iter().enumerate() {
            let known = ["ssh-", "ecdsa-", "sk-"].iter().any(|prefix| key.starts_with(prefix));
            if !known || key.trim().contains('\n') || key.len() > 16 << 10 {
                let path = format!("ssh_keys.{position}");
                errors.push(FieldError::new(path, "must be one public key in authorized_keys form"));
            }
        }
        if let Some(network) = &self.network {
            network.validate(&mut errors);
        }
        volume::validate(&self.volumes, &self.root, &mut errors);
        self.validate_claim(&mut errors);
        self.validate_profiles(&mut errors);
        self.steps.validate(&mut errors);
        if self.redeploy.generation < 1 {
            errors.push(FieldError::new("redeploy.generation", "counts from 1"));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn references(&self) -> Vec<Reference> {
        let name = self.image.split('@').next().unwrap_or_default();
        let host = self.host.iter().map(|host| Reference::new(Kind::Host, host, "host"));
        let pool = self.require.iter().map(|it| Reference::new(Kind::Pool, &it.pool, "require.pool"));
        let image = (!self.stands()).then(|| Reference::new(Kind::Image, name, "image"));
        let profiles = self.profiles.iter().enumerate();
        let profiles =
            profiles.map(|(at, name)| Reference::new(Kind::Profile, name, format!("profiles.{at}")));
        host.chain(pool).chain(image).chain(profiles).chain(self.steps.references()).collect()
    }
}

/// The most profiles that one machine can have.
const PROFILES: usize = 64;

impl Spec {
    /// Does it take the system of an adopted host as it stands?
    pub fn stands(&self) -> bool {
        self.image == ADOPTED
    }

    /// What only an installation can bring is refused, where it would be ignored.
    fn validate_standing(&self, errors: &mut Vec<FieldError>) {
        let asks = [
            ("require", self.require.is_some()),
            ("root", self.root != RootHint::default()),
            ("network", self.network.is_some()),
            ("ssh_keys", !self.ssh_keys.is_empty()),
            ("user_data", self.user_data_digest.is_some()),
        ];
        for (attribute, _) in asks.into_iter().filter(|(_, is_given)| *is_given) {
            let message = "is of no use with image = \"adopted\": nothing is installed; leave it out";
            errors.push(FieldError::new(attribute, message));
        }
    }

    fn validate_profiles(&self, errors: &mut Vec<FieldError>) {
        if self.profiles.len() > PROFILES {
            errors.push(FieldError::new("profiles", format!("has more than {PROFILES} entries")));
        }
        for (at, name) in self.profiles.iter().enumerate() {
            if self.profiles.iter().take(at).any(|earlier| earlier == name) {
                errors
                    .push(FieldError::new(format!("profiles.{at}"), format!("names {name:?} a second time")));
            }
        }
        validate_values(&self.values, errors);
    }

    fn validate_claim(&self, errors: &mut Vec<FieldError>) {
        match (&self.host, &self.require) {
            (None, None) => {
                errors.push(FieldError::new("host", "name the host, or say with require what it must be"));
            }
            (Some(_), Some(_)) => {
                errors
                    .push(FieldError::new("require", "is of no use where the host is named; leave one out"));
            }
            (Some(_), None) if self.spread.is_some() => {
                errors.push(FieldError::new("spread", "is of no use where the host is named"));
            }
            (None, Some(require)) => require.validate(errors),
            (Some(_), None) => {}
        }
        if self.spread.as_ref().is_some_and(|spread| spread.label.is_empty()) {
            errors.push(FieldError::new("spread.label", "name the label to stand apart by"));
        }
    }

    /// Is a machine on the host of this name where it wants to be? Once it has a host, what it requires is not asked
    /// again.
    pub fn stays_on(&self, host_name: &str) -> bool {
        self.host.as_ref().is_none_or(|wanted| wanted == host_name)
    }
}

/// The SHA-256 part of an image id `NAME@sha256:HEX`, if it is one.
pub(super) fn image_digest(image: &str) -> Option<&str> {
    let (name, digest) = image.split_once("@sha256:")?;
    let hex = digest.len() == 64 && digest.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    (hex && !name.is_empty()).then_some(digest)
}
