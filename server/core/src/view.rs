//! A controller's read-only window on other objects.

use async_trait::async_trait;

use crate::{
    Brakes, Cancellation, ErrorKind, Kind, Noun, Object, ObjectId, SecretString,
    id::Key,
    object::Meta,
    observation::{Observation, Source},
};

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store did not answer.
    #[error("reading {what}")]
    Read {
        /// What was to be read.
        what: String,
        /// What the store said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What is stored does not fit its type: a newer server wrote it, or it was changed by hand.
    #[error("{what} in the store does not read as its type")]
    Decode {
        /// What was read.
        what: String,
        /// Where it does not fit.
        #[source]
        source: serde_json::Error,
    },
    /// A secret could not be opened: the sealing key is not the one it was sealed under.
    #[error("the secret of credential {name} does not open under this server's sealing key")]
    Unseal {
        /// The credential.
        name: String,
    },
}

impl Error {
    /// May the read be tried again?
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Read { .. } => ErrorKind::Transient,
            Error::Decode { .. } | Error::Unseal { .. } => ErrorKind::Permanent,
        }
    }
}

/// An object whose columns are not decoded yet.
#[derive(Clone, Debug)]
pub struct RawObject {
    /// Identity and bookkeeping.
    pub meta: Meta,
    /// Spec as JSON.
    pub spec: serde_json::Value,
    /// State as JSON.
    pub state: serde_json::Value,
    /// Status as JSON.
    pub status: serde_json::Value,
    /// How it stands.
    pub progress: crate::object::Standing,
}

impl RawObject {
    /// The object with its columns read as those of `N`.
    ///
    /// # Errors
    /// [`Error::Decode`] where a column does not fit.
    pub fn decode<N: Noun>(self) -> Result<Object<N>, Error> {
        let decode = |column: &str| format!("{} {} ({column})", self.meta.kind, self.meta.key);
        Ok(Object {
            spec: serde_json::from_value(self.spec)
                .map_err(|source| Error::Decode { what: decode("spec"), source })?,
            state: serde_json::from_value(self.state)
                .map_err(|source| Error::Decode { what: decode("state"), source })?,
            status: serde_json::from_value(self.status)
                .map_err(|source| Error::Decode { what: decode("status"), source })?,
            meta: self.meta,
            progress: self.progress,
        })
    }
}

/// How full a pool is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Hosts in it.
    pub hosts: u64,
    /// Hosts that are available and not claimed.
    pub free: u64,
    /// Hosts that are claimed.
    pub claimed: u64,
    /// Hosts that were set aside.
    pub quarantined: u64,
    /// Machines that want a host of it.
    pub waiting: u64,
    /// Names of the machines that are disturbed.
    pub disturbed: Vec<String>,
}

/// Reads other objects. Everything read is at least as new as the snapshot.
#[async_trait]
pub trait View: Brakes {
    /// A living or deleting object by kind and id; `None` when gone.
    async fn by_id(&self, id: ObjectId) -> Result<Option<RawObject>, Error>;

    /// A living or deleting object by the name another object gives it: `name` means one in the same site and
    /// owner, else the only one of that name in the site; `owner/name` means exactly that.
    async fn by_name(&self, from: &Key, kind: Kind, name: &str) -> Result<Option<RawObject>, Error>;

    /// The newest observation of an object from a source.
    async fn observation(&self, id: ObjectId, source: Source) -> Result<Option<Observation>, Error>;

    /// Which object holds the claim on a host.
    async fn holder(&self, host: ObjectId) -> Result<Option<ObjectId>, Error>;

    /// The host that a machine holds.
    async fn claim(&self, machine: ObjectId) -> Result<Option<ObjectId>, Error>;

    /// The machines that want a host of a pool, longest waiting first.
    async fn wants(&self, pool: ObjectId) -> Result<Vec<RawObject>, Error>;

    /// The hosts of a pool, each with the machine that holds it, by name.
    async fn members(&self, pool: ObjectId) -> Result<Vec<(RawObject, Option<ObjectId>)>, Error>;

    /// The machines that hold hosts of a pool.
    async fn tenants(&self, pool: ObjectId) -> Result<Vec<RawObject>, Error>;

    /// How full a pool is.
    async fn census(&self, pool: ObjectId) -> Result<Census, Error>;

    /// The hosts of a pool on which deployments that had `shared` have failed in the last day, by the fault of the host as
    /// it seemed, since one that had it went well.
    async fn accused(&self, pool: ObjectId, shared: &(String, String)) -> Result<Vec<ObjectId>, Error>;

    /// The user name and secret of a credential object.
    async fn credential(&self, from: &Key, name: &str) -> Result<Option<(String, SecretString)>, Error>;

    /// The wish to stop the operation of an object, where one was uttered; it may mean an earlier generation.
    async fn cancellation(&self, id: ObjectId) -> Result<Option<Cancellation>, Error>;

    /// A named secret that belongs to an object itself, such as a machine's `user_data`.
    async fn secret(&self, id: ObjectId, name: &str) -> Result<Option<SecretString>, Error>;
}
