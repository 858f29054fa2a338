//! Claims: which machine has which host. One row per host, so exactly one wins. A host that is to be cleaned has itself.

use underlay_core::ObjectId;

use crate::{
    Error, Store, adoption,
    sql::{self, Connection},
    transaction::Write,
};

/// Who holds `host`.
pub(crate) async fn holder(connection: &mut Connection, host: ObjectId) -> Result<Option<ObjectId>, Error> {
    let row = sql::query("SELECT machine FROM claim WHERE host = $1")
        .bind(host.to_string())
        .fetch_optional(connection)
        .await
        .map_err(Error::doing("reading a claim"))?;
    row.map(|row| row.parsed("machine")).transpose()
}

/// Claims `host` for `machine`; the agent that lives there is put out. Is that news?
///
/// # Errors
/// [`Error::Claimed`] where another one holds it, [`Error::NotFound`] where there is no such host any more.
pub(crate) async fn take(write: &mut Write<'_>, host: ObjectId, machine: ObjectId) -> Result<bool, Error> {
    let is_news = join(write, host, machine).await?;
    if is_news {
        // Whoever has the host may write over the system in which its agent lives.
        adoption::evict(write, host).await?;
    }
    Ok(is_news)
}

/// The same, and the agent that lives there stays.
///
/// # Errors
/// As [`take`].
pub(crate) async fn join(write: &mut Write<'_>, host: ObjectId, machine: ObjectId) -> Result<bool, Error> {
    let done = sql::query(
        "INSERT INTO claim (host, machine) SELECT id, $2 FROM object \
         WHERE id = $1 AND kind = 'host' AND purged_at IS NULL ON CONFLICT (host) DO NOTHING",
    )
    .bind(host.to_string())
    .bind(machine.to_string())
    .execute(write.connection())
    .await
    .map_err(Error::doing("claiming a host"))?;
    if done > 0 {
        return Ok(true);
    }
    match holder(write.connection(), host).await? {
        Some(by) if by == machine => Ok(false),
        Some(by) => Err(Error::Claimed { host, by }),
        None => Err(Error::NotFound { kind: underlay_core::Kind::Host, name: host.to_string() }),
    }
}

/// Gives up the claim of `machine` on `host`. Was there one?
pub(crate) async fn give_up(write: &mut Write<'_>, host: ObjectId, machine: ObjectId) -> Result<bool, Error> {
    let done = sql::query("DELETE FROM claim WHERE host = $1 AND machine = $2")
        .bind(host.to_string())
        .bind(machine.to_string())
        .execute(write.connection())
        .await
        .map_err(Error::doing("giving up a claim"))?;
    Ok(done > 0)
}

/// Gives the claim of `machine` on `host` to the host itself. Was there one?
pub(crate) async fn hand_over(
    write: &mut Write<'_>,
    host: ObjectId,
    machine: ObjectId,
) -> Result<bool, Error> {
    let done = sql::query("UPDATE claim SET machine = host WHERE host = $1 AND machine = $2")
        .bind(host.to_string())
        .bind(machine.to_string())
        .execute(write.connection())
        .await
        .map_err(Error::doing("handing a claim over to its host"))?;
    Ok(done > 0)
}

/// The hosts that `machine` holds.
pub(crate) async fn held_by(write: &mut Write<'_>, machine: ObjectId) -> Result<Vec<ObjectId>, Error> {
    let rows = sql::query("SELECT host FROM claim WHERE machine = $1")
        .bind(machine.to_string())
        .fetch_all(write.connection())
        .await
        .map_err(Error::doing("reading the claims of a machine"))?;
    rows.iter().map(|row| row.parsed("host")).collect()
}

impl Store {
    /// The host that a machine holds.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn claim(&self, machine: ObjectId) -> Result<Option<ObjectId>, Error> {
        let row = sql::query("SELECT host FROM claim WHERE machine = $1 ORDER BY host LIMIT 1")
            .bind(machine.to_string())
            .fetch_optional(&mut *self.reader().await?)
            .await
            .map_err(Error::doing("reading the claim of a machine"))?;
        row.map(|row| row.parsed("host")).transpose()
    }

    /// Which object holds the claim on a host.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn holder(&self, host: ObjectId) -> Result<Option<ObjectId>, Error> {
        let mut connection = self.reader().await?;
        holder(&mut connection, host).await
    }
}
