//! Which object names which, so that a change of the named one wakes those that name it.

use jiff::Timestamp;
use underlay_core::{Key, Kind, ObjectId, Reference, Spec, host::Host};

use crate::{Error, Record, Store, object::record::select_records, queue, sql, transaction::Write};

/// Replaces what `id` mentions. An owner left out of a mention is kept as empty: it may mean any owner's object.
pub(crate) async fn replace(
    write: &mut Write<'_>,
    id: ObjectId,
    key: &Key,
    references: &[Reference],
) -> Result<(), Error> {
    forget(write, id).await?;
    for reference in references {
        let (owner, name) = reference.name.split_once('/').unwrap_or(("", &reference.name));
        sql::query(
            "INSERT INTO reference (id, kind, site, owner, name, bond) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (id, kind, owner, name) DO NOTHING",
        )
        .bind(id.to_string())
        .bind(reference.kind.as_str())
        .bind(key.site.as_str())
        .bind(owner)
        .bind(name)
        .bind(reference.bond.as_str())
        .execute(write.connection())
        .await
        .map_err(Error::doing("noting what an object names"))?;
    }
    Ok(())
}

/// Notes anew what every living host mentions: an older server did not note what they belong to.
pub(crate) async fn note_hosts(write: &mut Write<'_>) -> Result<(), Error> {
    let rows = sql::query(select_records!("WHERE o.kind = 'host' AND o.purged_at IS NULL"))
        .fetch_all(write.connection())
        .await
        .map_err(Error::doing("reading the hosts of an older server"))?;
    for row in rows {
        let raw = Record::read(&row)?.raw;
        let (id, key) = (raw.meta.id, raw.meta.key.clone());
        let host = raw
            .decode::<Host>()
            .map_err(|error| Error::Decode { what: format!("host {key}"), source: Box::new(error) })?;
        replace(write, id, &key, &host.spec.references()).await?;
    }
    Ok(())
}

/// Forgets what `id` mentions.
pub(crate) async fn forget(write: &mut Write<'_>, id: ObjectId) -> Result<(), Error> {
    sql::query("DELETE FROM reference WHERE id = $1")
        .bind(id.to_string())
        .execute(write.connection())
        .await
        .map_err(Error::doing("forgetting what an object names"))?;
    Ok(())
}

/// Wakes every object that needs `kind` `key`, exactly or perhaps. Those that only belong to it are left alone.
pub(crate) async fn wake_dependents(
    write: &mut Write<'_>,
    kind: Kind,
    key: &Key,
    now: Timestamp,
) -> Result<(), Error> {
    let rows = sql::query(
        "SELECT id FROM reference WHERE kind = $1 AND site = $2 AND name = $3 AND (owner = '' OR owner = $4) \
         AND bond = 'needs'",
    )
    .bind(kind.as_str())
    .bind(key.site.as_str())
    .bind(key.name.as_str())
    .bind(key.owner.as_str())
    .fetch_all(write.connection())
    .await
    .map_err(Error::doing("finding who names an object"))?;
    for row in rows {
        queue::kick(write, row.parsed("id")?, now).await?;
    }
    wake_heirs(write, kind, key, now).await
}

/// Wakes the machines that inherit from a pool or a site without naming it: those on the pool's hosts, or in the site,
/// that have profiles.
async fn wake_heirs(write: &mut Write<'_>, kind: Kind, key: &Key, now: Timestamp) -> Result<(), Error> {
    let heirs = match kind {
        Kind::Pool => {
            "SELECT DISTINCT p.id FROM reference h JOIN claim c ON c.host = h.id JOIN reference p ON p.id = c.machine \
             WHERE p.kind = 'profile' AND h.kind = 'pool' AND h.bond = 'belongs' AND h.site = $1 AND h.name = $2 \
             AND (h.owner = '' OR h.owner = $3)"
        }
        Kind::Site => {
            "SELECT DISTINCT id FROM reference WHERE kind = 'profile' AND bond = 'needs' AND site = $1 AND site = $2 \
             AND $3 <> ''"
        }
        _ => return Ok(()),
    };
    let rows = sql::query(heirs)
        .bind(key.site.as_str())
        .bind(key.name.as_str())
        .bind(key.owner.as_str())
        .fetch_all(write.connection())
        .await
        .map_err(Error::doing("finding who inherits from an object"))?;
    for row in rows {
        queue::kick(write, row.parsed("id")?, now).await?;
    }
    Ok(())
}

impl Store {
    /// Up to `limit` objects that are not gone and that name `kind` `key`, oldest first. A mention without an owner may
    /// mean another owner's object: [`Store::resolve`] tells.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn dependents(&self, kind: Kind, key: &Key, limit: usize) -> Result<Vec<Record>, Error> {
        let rows = sql::query(select_records!(
            "WHERE o.purged_at IS NULL AND o.id IN (SELECT r.id FROM reference r WHERE r.kind = $1 AND r.site = $2 \
             AND r.name = $3 AND (r.owner = '' OR r.owner = $4)) ORDER BY o.id LIMIT $5"
        ))
        .bind(kind.as_str())
        .bind(key.site.as_str())
        .bind(key.name.as_str())
        .bind(key.owner.as_str())
        .bind(i64::try_from(limit.clamp(1, 1000)).unwrap_or(1000))
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(Error::doing("finding who names an object"))?;
        rows.iter().map(Record::read).collect()
    }
}
