//! Confirm and delete. Both say which incarnation they mean; a stale one changes nothing.

use underlay_core::{Incarnation, ObjectId};

use super::record::Record;
use crate::{Error, Store, column, operation, operation::Verb, queue, reference, sql};

/// What became of a Delete.
#[derive(Clone, Debug)]
pub enum Deletion {
    /// Deletion is wanted now, or was already; the object is gone once its controller says so.
    Wanted(Box<Record>),
    /// The caller holds an older incarnation: nothing was done, and for the caller the object is gone.
    Stale,
    /// There is no such object any more.
    Gone,
}

impl Store {
    /// Notes that `incarnation` of the object was read back out of somebody's state: no Create adopts it any more. Does
    /// nothing where the incarnation is another one.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn confirm(&self, id: ObjectId, incarnation: Incarnation) -> Result<(), Error> {
        let Some(record) = self.get(id).await? else { return Ok(()) };
        if record.raw.meta.confirmed || record.raw.meta.incarnation != incarnation {
            return Ok(());
        }
        let mut write = self.write().await?;
        sql::query("UPDATE object SET confirmed = 1 WHERE id = $1 AND incarnation = $2")
            .bind(id.to_string())
            .bind(incarnation.to_string())
            .execute(write.connection())
            .await
            .map_err(Error::doing("confirming an object"))?;
        write.commit_quietly().await
    }

    /// Wants the object deleted, if `incarnation` is the current one.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn delete(&self, id: ObjectId, incarnation: Incarnation) -> Result<Deletion, Error> {
        let now = self.now();
        let mut write = self.write_ordered().await?;
        let Some(found) = Record::find(write.connection(), id).await? else { return Ok(Deletion::Gone) };
        let meta = &found.raw.meta;
        if meta.purged_at.is_some() {
            return Ok(Deletion::Gone);
        }
        if meta.incarnation != incarnation {
            return Ok(Deletion::Stale);
        }
        if meta.deleted_at.is_some() {
            // Asked again: somebody may have mended what stood in the way.
            queue::kick(&mut write, id, now).await?;
            write.commit().await?;
            return Ok(Deletion::Wanted(Box::new(found)));
        }
        write.touch_object(meta.kind, id);
        let mut progress = found.raw.progress.clone();
        progress.evidence_at = now;
        progress.failure = None;
        progress.attempts = 0;
        sql::query(
            "UPDATE object SET deleted_at = $2, confirmed = 1, standing = $3, generation = generation + 1, \
             version = version + 1, revision = $4 WHERE id = $1",
        )
        .bind(id.to_string())
        .bind(column::micros(now))
        .bind(column::json("standing", &progress)?)
        .bind(write.revision())
        .execute(write.connection())
        .await
        .map_err(Error::doing("marking an object for deletion"))?;
        queue::kick(&mut write, id, now).await?;
        let generation = meta.generation + 1;
        let run = operation::Start { object: id, kind: meta.kind, verb: Verb::Delete, generation };
        operation::start(&mut write, run, &found.phase, now).await?;
        reference::wake_dependents(&mut write, meta.kind, &meta.key, now).await?;
        let record = Record::find(write.connection(), id).await?.unwrap_or(found);
        write.commit().await?;
        Ok(Deletion::Wanted(Box::new(record)))
    }
}
