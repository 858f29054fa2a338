//! The power and boot control of one host, whatever speaks for it: Redfish, IPMI, a local QEMU
//! process, a webhook or a person.
//!
//! Every method is an idempotent wish: asked twice, it does nothing the second time. A call ends within
//! [`CALL_LIMIT`], because a BMC cannot be fenced: the caller's lease outlives every call it makes. What a driver
//! reports is a claim until the agent has checked it in band.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::{
    Brake, ErrorKind, Object, ObjectId, SecretString, View,
    host::{Facts, Host},
};

/// The longest a driver call may take. One wish is up to five requests, and there are BMCs that think for 3 to 20 s over
/// each.
pub const CALL_LIMIT: Duration = Duration::from_secs(90);

/// How much of what a serial port said is told, in bytes.
pub const SERIAL: usize = 256 << 10;

/// The most that a picture of a screen may have, in bytes.
pub const SCREEN: usize = 1 << 20;

/// Is it on?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    /// Running.
    On,
    /// Off.
    Off,
    /// The driver cannot say, or the machine is between the two.
    Unknown,
}

/// What a host starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The network by PXE, once; afterwards its disk.
    NetworkOnce,
    /// The network by UEFI HTTP Boot, once; afterwards its disk.
    HttpOnce,
    /// Its virtual CD, once; afterwards its disk. See [`VirtualMedia`].
    MediaOnce,
    /// Its own disk, from now on.
    Disk,
}

/// What a driver sees of its host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Power state.
    pub power: Power,
    /// What is set to start next, where the driver can tell.
    pub next_boot: Option<Target>,
    /// Serial number, where the driver can tell.
    pub serial: Option<String>,
    /// System UUID in lower case, where the driver can tell.
    pub uuid: Option<String>,
    /// MAC addresses it knows of, where the driver can tell.
    pub macs: Vec<crate::Mac>,
    /// TCP ports of the host that can be reached elsewhere (`"22" -> "127.0.0.1:40022"`); QEMU user networking.
    pub forwards: BTreeMap<String, String>,
    /// SHA-256 of the TLS certificate it presented, hex, for pinning.
    pub certificate: Option<String>,
    /// How many power-ons the driver has counted, where it can: tells a restart from none.
    pub boots: Option<u64>,
    /// What it tells of the hardware, where it does.
    pub facts: Facts,
}

/// What went wrong with a driver call.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It did not answer, or not in time.
    #[error("{address} does not answer")]
    Unreachable {
        /// Where it was asked.
        address: String,
        /// What the network said.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// It answered no: wrong credentials or certificate.
    #[error("{address} refuses us: {why}")]
    Refused {
        /// Where it was asked.
        address: String,
        /// What it said.
        why: String,
    },
    /// It answered something that makes no sense.
    #[error("{address} answers nonsense to {request}: {why}")]
    Nonsense {
        /// Where it was asked.
        address: String,
        /// What was asked.
        request: String,
        /// What is wrong with the answer.
        why: String,
    },
    /// It is busy, or asks us to come back.
    #[error("{address} is busy: {why}")]
    Busy {
        /// Where it was asked.
        address: String,
        /// What it said.
        why: String,
    },
    /// It cannot do what was asked, ever.
    #[error("{address} cannot {wish}: {why}")]
    Unsupported {
        /// Where it was asked.
        address: String,
        /// What was asked.
        wish: String,
        /// What it said or lacks.
        why: String,
    },
    /// A brake stands over the host: nothing was asked of it.
    #[error("{0}")]
    Held(Box<Brake>),
    /// Something on the server itself stands in the way (QEMU missing, disk full).
    #[error("cannot {wish} on this server")]
    Local {
        /// What was asked.
        wish: String,
        /// What stood in the way.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The host is configured in a way this driver cannot serve.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    /// May the call be tried again?
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Unreachable { .. }
            | Error::Busy { .. }
            | Error::Nonsense { .. }
            | Error::Held(_)
            | Error::Local { .. } => ErrorKind::Transient,
            Error::Refused { .. } | Error::Unsupported { .. } => ErrorKind::Permanent,
            Error::Invalid(_) => ErrorKind::Invalid,
        }
    }
}

/// Where the BMC of a host sends its events. The address is a secret: who knows it can have the host looked at.
pub trait EventAddress: Send + Sync + 'static {
    /// Of this host: a URL that ends in [`event_path`].
    fn of(&self, host: ObjectId) -> SecretString;
}

/// The path of a host's events, whose last part is `proof` that we gave the address out.
pub fn event_path(host: ObjectId, proof: &str) -> String {
    format!("/v1/events/{host}/{proof}")
}

/// Where the BMC of a host reads an image. It is a secret: who knows it has the token that the image holds.
#[derive(Clone, Debug)]
pub struct MediaUrl(pub SecretString);

/// Where the images of the boots of hosts are.
pub trait MediaAddress: Send + Sync + 'static {
    /// Of the boot of that epoch: a URL that ends in [`media_path`].
    ///
    /// # Errors
    /// In words, why there is none.
    fn of(&self, host: &Object<Host>, epoch: i64) -> Result<MediaUrl, String>;
}

/// The path of a boot's image, whose last part is a secret. BMCs were seen to want a name that ends in `.iso`.
pub fn media_path(secret: &str) -> String {
    format!("{MEDIA}{secret}.iso")
}

/// Is an image that a BMC shows one of ours, whatever the boot?
pub fn is_media_of_ours(image: &str) -> bool {
    image.contains(MEDIA) && image.ends_with(".iso")
}

const MEDIA: &str = "/v1/media/";

/// The CD that a BMC shows its host.
#[async_trait]
pub trait VirtualMedia: Send + Sync {
    /// Have this image in the drive, in place of any other; or none of ours. What a person has inserted is left alone then.
    async fn ensure_media(&self, image: Option<&MediaUrl>) -> Result<(), Error>;
}

/// Somebody's user and password at a BMC or a webhook.
#[derive(Clone, Debug)]
pub struct Login {
    /// Who logs in; IPMI allows 16 bytes.
    pub user: String,
    /// Never shown; IPMI 2.0 allows 20 bytes.
    pub password: SecretString,
}

impl PartialEq for Login {
    fn eq(&self, other: &Self) -> bool {
        self.user == other.user && self.password.expose_secret() == other.password.expose_secret()
    }
}

/// The accounts of a BMC.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Have this user, as whom we log in, have this password; `Ok` means that the BMC was logged in to with it. Whatever
    /// becomes of the call, what was good before is good still, or this is.
    async fn ensure_password(&self, wanted: &Login) -> Result<(), Error>;
}

/// Power and boot of one host.
#[async_trait]
pub trait Bmc: Send + Sync {
    /// What the driver sees now.
    async fn observe(&self) -> Result<Observation, Error>;

    /// Ask for `power`; `Ok` means the wish was accepted, `observe` tells when it is true. [`Power::Unknown`] is an
    /// [`Error::Invalid`].
    async fn ensure_power(&self, power: Power) -> Result<(), Error>;

    /// Set what the host starts from at its next power-on.
    async fn ensure_next_boot(&self, target: Target) -> Result<(), Error>;

    /// The ability to show the host an image as its CD, where the driver has it.
    fn virtual_media(&self) -> Option<&dyn VirtualMedia> {
        None
    }

    /// The ability to change the password that we log in with, where the driver has it.
    fn accounts(&self) -> Option<&dyn Accounts> {
        None
    }

    /// Have the BMC tell us when something happens to the host, where it can and we have an address for that. What it
    /// tells is a hint to look, never a fact.
    async fn ensure_events(&self) -> Result<(), Error> {
        Ok(())
    }

    /// The end of what the host's serial port said, at most [`SERIAL`] bytes, without control characters but line ends;
    /// none where the driver does not see it.
    async fn serial(&self) -> Result<Option<String>, Error> {
        Ok(None)
    }

    /// What the host's screen shows, a PNG of at most [`SCREEN`] bytes.
    async fn screenshot(&self) -> Result<Vec<u8>, Error> {
        let (address, wish) = ("the host's driver".into(), "show its screen".into());
        Err(Error::Unsupported { address, wish, why: "it does not see it".into() })
    }

    /// Forget the host: the driver removes what it made for it (a QEMU host's process and disks) and nothing else.
    async fn forget(&self) -> Result<(), Error>;
}

/// Finds the driver of a host.
#[async_trait]
pub trait Bmcs: Send + Sync + 'static {
    /// The driver that the host's spec names, with its credential read through `view`. Calls through it are queued
    /// one at a time per BMC.
    async fn bmc(&self, host: &Object<Host>, view: &dyn View) -> Result<Arc<dyn Bmc>, Error>;
}
