//! Wishes to stop an operation: one row per object, which the newest wish replaces and the end of the object removes.

use underlay_core::{Cancellation, ObjectId, cancellation::Until};

use crate::{Error, Store, column::micros, queue, sql, transaction::Write};

fn word(until: Until) -> &'static str {
    match until {
        Until::Written => "written",
        Until::TheEnd => "the_end",
    }
}

impl Store {
    /// Wants the operation of an object stopped, and has it looked at now.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn cancel(&self, id: ObjectId, wish: &Cancellation) -> Result<(), Error> {
        let mut write = self.write_ordered().await?;
        put(&mut write, id, wish).await?;
        queue::kick(&mut write, id, wish.at).await?;
        write.commit().await
    }

    pub(crate) async fn cancellation_of(&self, id: ObjectId) -> Result<Option<Cancellation>, Error> {
        let row = sql::query("SELECT generation, by_whom, at, reason, until FROM cancellation WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(&mut *self.reader().await?)
            .await
            .map_err(Error::doing("reading a cancellation"))?;
        let Some(row) = row else { return Ok(None) };
        let until = if row.text("until")? == word(Until::TheEnd) { Until::TheEnd } else { Until::Written };
        Ok(Some(Cancellation {
            generation: row.number("generation")?,
            by: row.text("by_whom")?,
            at: row.time("at")?,
            reason: row.text("reason")?,
            until,
        }))
    }
}

/// Keeps a wish within a write.
pub(crate) async fn put(write: &mut Write<'_>, id: ObjectId, wish: &Cancellation) -> Result<(), Error> {
    sql::query(
        "INSERT INTO cancellation (id, generation, by_whom, at, reason, until) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (id) DO UPDATE SET generation = excluded.generation, by_whom = excluded.by_whom, \
         at = excluded.at, reason = excluded.reason, until = excluded.until",
    )
    .bind(id.to_string())
    .bind(wish.generation)
    .bind(&wish.by)
    .bind(micros(wish.at))
    .bind(&wish.reason)
    .bind(word(wish.until))
    .execute(write.connection())
    .await
    .map_err(Error::doing("keeping a cancellation"))?;
    Ok(())
}
