//! What the agent on each host is to do. Sealed, because a seed may hold the user's secrets.

use underlay_core::{ObjectId, agent::Assignment};

use crate::{Error, Store, column, hint::Topic, sql, transaction::Write};

pub(crate) fn place(host: &str) -> String {
    format!("assignment/{host}")
}

/// Gives the agent on its host this work, in place of any earlier one.
pub(crate) async fn put(write: &mut Write<'_>, assignment: &Assignment) -> Result<(), Error> {
    write.touch(Topic::Assignment(assignment.host));
    let host = assignment.host.to_string();
    let plain = column::json("assignment", assignment)?;
    let sealed = write.store().key().seal(&place(&host), plain.as_bytes());
    sql::query(
        "INSERT INTO assignment (host, sealed) VALUES ($1, $2) \
         ON CONFLICT (host) DO UPDATE SET sealed = excluded.sealed",
    )
    .bind(&host)
    .bind(sealed)
    .execute(write.connection())
    .await
    .map_err(Error::doing("keeping an assignment"))?;
    Ok(())
}

/// Takes the work away from the agent on `host`.
pub(crate) async fn forget(write: &mut Write<'_>, host: ObjectId) -> Result<(), Error> {
    write.touch(Topic::Assignment(host));
    sql::query("DELETE FROM assignment WHERE host = $1")
        .bind(host.to_string())
        .execute(write.connection())
        .await
        .map_err(Error::doing("forgetting an assignment"))?;
    Ok(())
}

/// An assignment as it lies in the store: two are the same only if nothing was assigned in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed(String);

impl Store {
    /// What the agent on `host` is to do.
    ///
    /// # Errors
    /// [`Error::Unseal`], or the database fails.
    pub async fn assignment(&self, host: ObjectId) -> Result<Option<Assignment>, Error> {
        let sealed = self.sealed_assignment(host).await?;
        sealed.map(|sealed| self.open_assignment(host, &sealed)).transpose()
    }

    /// Opens an assignment of `host`.
    ///
    /// # Errors
    /// [`Error::Unseal`].
    pub fn open_assignment(&self, host: ObjectId, sealed: &Sealed) -> Result<Assignment, Error> {
        let plain = self.key().open_text(&place(&host.to_string()), &sealed.0)?;
        column::from_json("assignment", &plain)
    }

    /// The same unopened, for whoever only wants to know whether it changed; ask again after a hint of [`Topic::Assignment`].
    ///
    /// # Errors
    /// The database fails.
    pub async fn sealed_assignment(&self, host: ObjectId) -> Result<Option<Sealed>, Error> {
        let row = sql::query("SELECT sealed FROM assignment WHERE host = $1")
            .bind(host.to_string())
            .fetch_optional(&mut *self.reader().await?)
            .await
            .map_err(Error::doing("reading an assignment"))?;
        row.map(|row| row.text("sealed").map(Sealed)).transpose()
    }
}
