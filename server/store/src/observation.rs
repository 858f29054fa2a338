//! Observations: the newest thing each source saw of each object.
//!
//! An observation that says the same as the last one moves only its time: it wakes nobody and is no evidence of progress,
//! so that a chattering source cannot keep a deadline from passing.

use jiff::Timestamp;
use underlay_core::{Kind, ObjectId, observation::Body, observation::Observation, observation::Source};

use crate::{
    Error, Store, claim,
    column::{self, micros},
    queue,
    sql::{self, Connection, Row},
    transaction::Write,
};

impl Store {
    /// Keeps an observation and, where it says something new, wakes its object and, for a host, the holder of its claim.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object is gone, or the database fails.
    pub async fn observe(&self, observation: &Observation) -> Result<(), Error> {
        let mut write = self.write_ordered().await?;
        if put(&mut write, observation).await? { write.commit().await } else { write.commit_quietly().await }
    }

    /// The same, but only where `last` is when the source was noted last: whoever noted it since knows better.
    ///
    /// # Errors
    /// As [`Store::observe`].
    pub async fn observe_after(&self, last: Timestamp, observation: &Observation) -> Result<(), Error> {
        let mut write = self.write_ordered().await?;
        let row = sql::query("SELECT at FROM observation WHERE id = $1 AND source = $2")
            .bind(observation.id.to_string())
            .bind(observation.source.as_str())
            .fetch_optional(write.connection())
            .await
            .map_err(Error::doing("reading the last observation"))?;
        let noted = row.map(|row| row.time("at")).transpose()?;
        if noted != Some(column::truncated(last)) {
            return Ok(());
        }
        if put(&mut write, observation).await? { write.commit().await } else { write.commit_quietly().await }
    }

    /// The newest observation of an object from each source.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn observations(&self, id: ObjectId) -> Result<Vec<Observation>, Error> {
        all(&mut *self.reader().await?, id).await
    }

    pub(crate) async fn observation_from(
        &self,
        id: ObjectId,
        source: Source,
    ) -> Result<Option<Observation>, Error> {
        let row = sql::query("SELECT id, source, at, body FROM observation WHERE id = $1 AND source = $2")
            .bind(id.to_string())
            .bind(source.as_str())
            .fetch_optional(&mut *self.reader().await?)
            .await
            .map_err(Error::doing("reading an observation"))?;
        row.as_ref().map(read).transpose()
    }
}

/// The newest observation of an object from each source.
pub(crate) async fn all(connection: &mut Connection, id: ObjectId) -> Result<Vec<Observation>, Error> {
    let rows = sql::query("SELECT id, source, at, body FROM observation WHERE id = $1 ORDER BY source")
        .bind(id.to_string())
        .fetch_all(connection)
        .await
        .map_err(Error::doing("reading observations"))?;
    rows.iter().map(read).collect()
}

/// Keeps an observation within a write. Did it say anything new?
pub(crate) async fn put(write: &mut Write<'_>, observation: &Observation) -> Result<bool, Error> {
    let kind = living_kind(write, observation.id).await?;
    let id = observation.id.to_string();
    let body = column::json("observation", &observation.body)?;
    let at = micros(observation.at);
    let last = sql::query("SELECT body FROM observation WHERE id = $1 AND source = $2")
        .bind(&id)
        .bind(observation.source.as_str())
        .fetch_optional(write.connection())
        .await
        .map_err(Error::doing("reading the last observation"))?;
    let is_news = match last {
        Some(row) => row.json::<Body>("body").ok().as_ref() != Some(&observation.body),
        None => true,
    };
    sql::query(
        "INSERT INTO observation (id, source, at, changed_at, body) VALUES ($1, $2, $3, $3, $4) \
         ON CONFLICT (id, source) DO UPDATE SET at = excluded.at, body = excluded.body, \
         changed_at = CASE WHEN $5 = 1 THEN excluded.changed_at ELSE observation.changed_at END",
    )
    .bind(&id)
    .bind(observation.source.as_str())
    .bind(at)
    .bind(body)
    .bind(i64::from(is_news))
    .execute(write.connection())
    .await
    .map_err(Error::doing("keeping an observation"))?;
    if is_news {
        let now = write.store().now();
        queue::kick(write, observation.id, now).await?;
        if kind == Kind::Host
            && let Some(machine) = claim::holder(write.connection(), observation.id).await?
        {
            queue::kick(write, machine, now).await?;
        }
    }
    Ok(is_news)
}

async fn living_kind(write: &mut Write<'_>, id: ObjectId) -> Result<Kind, Error> {
    let row = sql::query("SELECT kind FROM object WHERE id = $1 AND purged_at IS NULL")
        .bind(id.to_string())
        .fetch_optional(write.connection())
        .await
        .map_err(Error::doing("finding the object observed"))?;
    match row {
        Some(row) => row.parsed("kind"),
        None => Err(Error::NotFound { kind: Kind::Host, name: id.to_string() }),
    }
}

/// The newest observation of `id` from each source, and when one of these, or of the host it holds, last said something new.
pub(crate) async fn evidence(
    connection: &mut Connection,
    id: ObjectId,
) -> Result<(Vec<Observation>, Option<Timestamp>), Error> {
    let text = id.to_string();
    let rows = sql::query(
        "SELECT id, source, at, changed_at, CASE WHEN id = $1 THEN body ELSE '' END AS body FROM observation \
         WHERE id = $1 OR id IN (SELECT host FROM claim WHERE machine = $1) ORDER BY source",
    )
    .bind(&text)
    .fetch_all(connection)
    .await
    .map_err(Error::doing("reading observations"))?;
    let (mut own, mut last_news) = (Vec::new(), None);
    for row in &rows {
        last_news = last_news.max(Some(row.time("changed_at")?));
        if row.text("id")? == text {
            own.push(read(row)?);
        }
    }
    Ok((own, last_news))
}

fn read(row: &Row) -> Result<Observation, Error> {
    let word = row.text("source")?;
    let source = serde_json::from_value(serde_json::Value::String(word)).map_err(Error::decode("source"))?;
    Ok(Observation { id: row.parsed("id")?, source, at: row.time("at")?, body: row.json("body")? })
}
