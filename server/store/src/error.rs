//! Why the store refused or failed. One classification, read by the engine and by the gRPC mapper.

use underlay_core::{ErrorKind, Key, Kind, ObjectId};

use crate::sql::DatabaseError;

/// Why a call to the store did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database could not be opened.
    #[error("opening the database {place}")]
    Open {
        /// Where it is, without its password.
        place: String,
        /// What the database said.
        #[source]
        source: DatabaseError,
    },
    /// The database could not be brought to this server's schema.
    #[error("bringing the database to schema version {version}")]
    Migrate {
        /// The version that failed.
        version: i64,
        /// What the database said.
        #[source]
        source: DatabaseError,
    },
    /// A migration that was applied is not the one this server carries.
    #[error(
        "schema version {version} of the database is not this server's: it was made by another line of releases"
    )]
    ForeignSchema {
        /// The version that differs.
        version: i64,
    },
    /// The database failed or did not answer.
    #[error("{doing}")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// What the database said.
        #[source]
        source: DatabaseError,
    },
    /// A column does not read as its type.
    #[error("{what} in the store does not read as its type")]
    Decode {
        /// What was read.
        what: String,
        /// Where it does not fit.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A Create met an object that somebody already has in a state.
    #[error("{kind} {key} exists and is in somebody's state; import it with its id {id}")]
    AlreadyExists {
        /// Its kind.
        kind: Kind,
        /// Its key; the owner is in it.
        key: Key,
        /// Its id.
        id: ObjectId,
    },
    /// There is no such object.
    #[error("there is no {kind} {name}")]
    NotFound {
        /// The kind asked for.
        kind: Kind,
        /// The key or id asked for.
        name: String,
    },
    /// The object has been created anew since; whoever asks holds an older incarnation.
    #[error("{kind} {key} was created anew since: its incarnation is another one")]
    Stale {
        /// Its kind.
        kind: Kind,
        /// Its key.
        key: Key,
    },
    /// The object is being deleted.
    #[error("{kind} {key} is being deleted; put it again once it is gone")]
    Deleting {
        /// Its kind.
        kind: Kind,
        /// Its key.
        key: Key,
    },
    /// The object is no longer at the generation the plan was made from.
    #[error("{kind} {key} is at generation {found}, the plan was made at {expected}; plan again")]
    Moved {
        /// Its kind.
        kind: Kind,
        /// Its key.
        key: Key,
        /// The plan's generation.
        expected: i64,
        /// Its generation.
        found: i64,
    },
    /// The object changed while it was stepped; nothing was written.
    #[error("object {id} changed while it was stepped")]
    Conflict {
        /// The object.
        id: ObjectId,
    },
    /// The lease on the object is no longer ours; nothing was written.
    #[error("the lease on object {id} is no longer ours")]
    Fenced {
        /// The object.
        id: ObjectId,
    },
    /// Another object holds the host; nothing was written.
    #[error("host {host} is held by {by}")]
    Claimed {
        /// The host.
        host: ObjectId,
        /// Who holds it.
        by: ObjectId,
    },
    /// As many machines of the pool are disturbed as may be; nothing was written.
    #[error("as many machines of pool {pool} are disturbed as may be at once")]
    Crowded {
        /// The pool.
        pool: ObjectId,
    },
    /// What the cursor points at was thrown away: start again from a list.
    #[error("the change feed no longer reaches back to that cursor; it begins at {horizon}")]
    Expired {
        /// The oldest cursor that can still be followed.
        horizon: i64,
    },
    /// A name is taken by a living API token.
    #[error("there is a token named {name} already; revoke it first")]
    TokenExists {
        /// The name.
        name: String,
    },
    /// A sealed column does not open: it was sealed under another key, moved, or damaged.
    #[error("{what} does not open under this server's sealing key")]
    Unseal {
        /// What was sealed.
        what: String,
    },
    /// This database is copied with its own tools.
    #[error("a Postgres database is copied with its own tools")]
    NoBackup,
    /// The sealing key is not the one the database was sealed under.
    #[error("the database is sealed under key {expected}, the key given is {given}")]
    WrongKey {
        /// Id of the key it was sealed under.
        expected: String,
        /// Id of the key given.
        given: String,
    },
    /// The sealing key file cannot be used.
    #[error("sealing key file {path}: {why}")]
    KeyFile {
        /// Its path.
        path: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Error {
    /// May it be tried again as it is?
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Open { .. }
            | Error::Database { .. }
            | Error::Conflict { .. }
            | Error::Fenced { .. }
            | Error::Claimed { .. }
            | Error::Crowded { .. }
            | Error::Deleting { .. } => ErrorKind::Transient,
            Error::Migrate { .. }
            | Error::ForeignSchema { .. }
            | Error::Decode { .. }
            | Error::Unseal { .. }
            | Error::WrongKey { .. }
            | Error::KeyFile { .. }
            | Error::Expired { .. } => ErrorKind::Permanent,
            Error::AlreadyExists { .. }
            | Error::NotFound { .. }
            | Error::Stale { .. }
            | Error::Moved { .. }
            | Error::NoBackup
            | Error::TokenExists { .. } => ErrorKind::Invalid,
        }
    }

    /// Names what was being done when the database failed.
    pub(crate) fn doing(doing: &'static str) -> impl FnOnce(DatabaseError) -> Self {
        move |source| Error::Database { doing, source }
    }

    /// Names what did not read as its type.
    pub(crate) fn decode<E>(what: impl Into<String>) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let what = what.into();
        move |source| Error::Decode { what, source: source.into() }
    }
}
