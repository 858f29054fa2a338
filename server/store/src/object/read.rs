//! Reading objects: by id, by key, many at once, page by page. Tombstones are found by id only.

use std::collections::{BTreeMap, HashMap};

use underlay_core::{Key, Kind, Name, ObjectId};

use super::record::{Record, select_records};
use crate::{Error, Store, sql};

/// Objects per page at most.
const PAGE: i64 = 500;
/// Ids in one statement at most.
const IDS: usize = 256;

/// Which objects are listed; what is left out matches all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this site.
    pub site: Option<Name>,
    /// Of this owner.
    pub owner: Option<Name>,
    /// With all of these in the spec's `labels`.
    pub labels: BTreeMap<String, String>,
}

/// Some of the objects that match, in the order in which they were made.
#[derive(Clone, Debug)]
pub struct Page {
    /// The objects.
    pub records: Vec<Record>,
    /// Where to go on; `None` on the last page.
    pub next: Option<ObjectId>,
    /// A cursor for the feed: every change that is not in this page comes after it.
    pub revision: i64,
}

impl Store {
    /// The object or tombstone of that id.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn get(&self, id: ObjectId) -> Result<Option<Record>, Error> {
        let mut connection = self.reader().await?;
        Record::find(&mut connection, id).await
    }

    /// The living or deleting object of that key.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn get_by_key(&self, kind: Kind, key: &Key) -> Result<Option<Record>, Error> {
        let row = sql::query(select_records!(
            "WHERE o.kind = $1 AND o.site = $2 AND o.owner = $3 AND o.name = $4 AND o.purged_at IS NULL"
        ))
        .bind(kind.as_str())
        .bind(key.site.as_str())
        .bind(key.owner.as_str())
        .bind(key.name.as_str())
        .fetch_optional(&mut *self.reader().await?)
        .await
        .map_err(Error::doing("reading an object by its key"))?;
        row.as_ref().map(Record::read).transpose()
    }

    /// The objects and tombstones of those ids, by id; unknown ones are left out.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn batch_get(&self, ids: &[ObjectId]) -> Result<HashMap<ObjectId, Record>, Error> {
        let mut found = HashMap::with_capacity(ids.len());
        for some in ids.chunks(IDS) {
            // Few sizes of statement, so that the database prepares few; an id that is named twice is found once.
            let size = some.len().next_power_of_two();
            let places = (1..=size).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ");
            let text = format!("{}{places})", select_records!("WHERE o.id IN ("));
            let mut query = sql::query(text);
            for id in some.iter().chain(some.last().into_iter().cycle()).take(size) {
                query = query.bind(id.to_string());
            }
            let rows =
                query.fetch_all(&mut *self.reader().await?).await.map_err(Error::doing("reading objects"))?;
            for row in &rows {
                let record = Record::read(row)?;
                found.insert(record.id(), record);
            }
        }
        Ok(found)
    }

    /// A page of the living and deleting objects of a kind, after the object `after`; at most `limit` of them, and
    /// never more than 500.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn list(
        &self,
        kind: Kind,
        filter: &Filter,
        after: Option<ObjectId>,
        limit: usize,
    ) -> Result<Page, Error> {
        let limit = limit.clamp(1, PAGE as usize);
        // Read before the objects: what changes meanwhile is seen twice rather than never.
        let revision = self.head().await?;
        let mut records = Vec::new();
        let mut cursor = after.map(|id| id.to_string()).unwrap_or_default();
        // One more than the page tells whether there is a next. Labels are looked at here, so any number may fall away.
        let rows = if filter.labels.is_empty() { limit + 1 } else { PAGE as usize };
        loop {
            let batch = self.list_after(kind, filter, &cursor, rows as i64).await?;
            let is_last = batch.len() < rows;
            for record in batch {
                cursor = record.id().to_string();
                if has_labels(&record, &filter.labels) {
                    records.push(record);
                }
                if records.len() > limit {
                    records.truncate(limit);
                    let next = records.last().map(Record::id);
                    return Ok(Page { records, next, revision });
                }
            }
            if is_last {
                return Ok(Page { records, next: None, revision });
            }
        }
    }

    async fn list_after(
        &self,
        kind: Kind,
        filter: &Filter,
        cursor: &str,
        rows: i64,
    ) -> Result<Vec<Record>, Error> {
        let rows = sql::query(select_records!(
            "WHERE o.kind = $1 AND ($2 = '' OR o.site = $2) AND ($3 = '' OR o.owner = $3) \
             AND o.id > $4 AND o.purged_at IS NULL ORDER BY o.id LIMIT $5"
        ))
        .bind(kind.as_str())
        .bind(filter.site.as_ref().map_or("", Name::as_str))
        .bind(filter.owner.as_ref().map_or("", Name::as_str))
        .bind(cursor)
        .bind(rows)
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(Error::doing("listing objects"))?;
        rows.iter().map(Record::read).collect()
    }
}

fn has_labels(record: &Record, wanted: &BTreeMap<String, String>) -> bool {
    let labels = record.raw.spec.get("labels");
    wanted.iter().all(|(name, value)| {
        labels.and_then(|labels| labels.get(name)).and_then(serde_json::Value::as_str) == Some(value)
    })
}
