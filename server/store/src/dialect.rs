//! Where SQL for SQLite and for Postgres differs: how workers pass each other in the queue, how servers that migrate
//! hold each other off, and how one server tells another that something changed.

use crate::sql::{Connection, DatabaseError};

/// Which database speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// The channel of LISTEN and NOTIFY. It is shared by all schemas of a database; a hint too many does no harm.
pub(crate) const CHANNEL: &str = "underlay";

/// Connections in the pool of Postgres.
pub(crate) const CONNECTIONS: u32 = 16;

/// Tells other servers, when the transaction commits, that something changed.
pub(crate) async fn notify(connection: &mut Connection) -> Result<(), DatabaseError> {
    connection.script("SELECT pg_notify('underlay', '')").await
}

impl Dialect {
    /// `postgres://` and `postgresql://` are Postgres; everything else is a SQLite path or URL.
    pub(crate) fn of(url: &str) -> Self {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Dialect::Postgres
        } else {
            Dialect::Sqlite
        }
    }

    /// Holds off other servers that migrate the same database, until the transaction ends.
    pub(crate) async fn lock_schema(self, connection: &mut Connection) -> Result<(), DatabaseError> {
        match self {
            // The write has the lock.
            Dialect::Sqlite => Ok(()),
            Dialect::Postgres => connection.script("SELECT pg_advisory_xact_lock(8423390617325)").await,
        }
    }

    /// Ends leases that ran out, stepping over rows that are being written: those are looked at again soon.
    pub(crate) fn end_expired(self) -> &'static str {
        macro_rules! end {
            ($skip:literal) => {
                concat!(
                    "UPDATE queue SET lease_owner = NULL, lease_until = NULL, \
                     run_at = CASE WHEN run_at IS NULL OR run_at > $1 THEN $1 ELSE run_at END \
                     WHERE id IN (SELECT id FROM queue WHERE lease_until IS NOT NULL AND lease_until <= $1",
                    $skip,
                    ")"
                )
            };
        }
        match self {
            Dialect::Sqlite => end!(""),
            Dialect::Postgres => end!(" FOR UPDATE SKIP LOCKED"),
        }
    }

    /// Takes up to `$4` due rows. Postgres workers step over rows that another worker is taking.
    pub(crate) fn lease_due(self) -> &'static str {
        macro_rules! lease {
            ($skip:literal) => {
                concat!(
                    "UPDATE queue SET lease_owner = $1, lease_until = $2, lease_epoch = lease_epoch + 1 \
                     WHERE id IN (SELECT id FROM queue WHERE lease_until IS NULL AND run_at IS NOT NULL \
                     AND run_at <= $3 AND $5 LIKE '%|' || kind || '|%' ORDER BY run_at LIMIT $4",
                    $skip,
                    ") RETURNING id, kind, lease_epoch, kicks, run_at"
                )
            };
        }
        match self {
            Dialect::Sqlite => lease!(""),
            Dialect::Postgres => lease!(" FOR UPDATE SKIP LOCKED"),
        }
    }
}
