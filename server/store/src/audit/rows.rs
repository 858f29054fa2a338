//! The audit's rows: added at the head, read newest first, verified from the start, thrown away from the start.

use jiff::Timestamp;

use super::{
    Entry, Trail,
    chain::{self, HEAD, START},
};
use crate::{
    Error, Store,
    column::{micros, truncated},
    sql,
    transaction::Write,
};

/// Rows read at once while verifying.
const BATCH: i64 = 1000;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Position, from 1, without gaps.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// Who asked for what.
    pub entry: Entry,
    /// Over this row and the one before.
    pub digest: String,
}

/// Which rows are read; what is left out matches all.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Not older than this.
    pub since: Option<Timestamp>,
    /// About this object, as [`Entry::object`] has it.
    pub object: Option<String>,
    /// Asked by whoever is called so, with or without the id.
    pub who: Option<String>,
    /// Only rows before this position.
    pub before: Option<i64>,
}

/// What verifying found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Rows looked at.
    pub rows: u64,
    /// Position of the oldest row that should be there.
    pub first: i64,
    /// Position of the newest row that should be there.
    pub last: i64,
    /// Digest of the newest row; worth keeping elsewhere.
    pub head: String,
    /// What is wrong, at the first place where anything is.
    pub fault: Option<String>,
}

macro_rules! select_rows {
    ($tail:literal) => {
        concat!(
            "SELECT seq, at, who, via, method, object, request_id, outcome, detail, digest FROM audit ",
            $tail
        )
    };
}

fn read(row: &sql::Row) -> Result<Row, Error> {
    Ok(Row {
        seq: row.number("seq")?,
        at: row.time("at")?,
        entry: Entry {
            who: row.text("who")?,
            via: row.text("via")?,
            method: row.text("method")?,
            object: row.text("object")?,
            request_id: row.text("request_id")?,
            outcome: row.text("outcome")?,
            detail: row.text("detail")?,
        },
        digest: row.text("digest")?,
    })
}

/// Adds a row within a write.
pub(crate) async fn append(write: &mut Write<'_>, entry: Entry) -> Result<(), Error> {
    let (key, now) = (write.store().chain()?.clone(), write.store().now());
    // Where the head was taken away the chain goes on from nothing, and verifying tells.
    let head = chain::take(write, HEAD).await?.unwrap_or_default();
    let mut row = Row { seq: head.seq + 1, at: now, entry, digest: String::new() };
    row.digest = key.link(&head.digest, &row);
    let it = &row.entry;
    sql::query(
        "INSERT INTO audit (seq, at, who, via, method, object, request_id, outcome, detail, digest) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(row.seq)
    .bind(micros(row.at))
    .bind(&it.who)
    .bind(&it.via)
    .bind(&it.method)
    .bind(&it.object)
    .bind(&it.request_id)
    .bind(&it.outcome)
    .bind(&it.detail)
    .bind(&row.digest)
    .execute(write.connection())
    .await
    .map_err(Error::doing("adding to the audit"))?;
    chain::set(write, HEAD, &key.end(HEAD, row.seq, &row.digest)).await
}

impl Store {
    /// The same store, whose first write from now on takes the row of `trail` along.
    #[must_use]
    pub fn on_record(&self, trail: &Trail) -> Store {
        Store { inner: self.inner.clone(), trail: Some(trail.clone()) }
    }

    /// Adds a row by itself.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn add_to_audit(&self, entry: Entry) -> Result<(), Error> {
        let mut write = self.write().await?;
        append(&mut write, entry).await?;
        write.commit_quietly().await
    }

    /// Up to `limit` rows, newest first.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn audit(&self, query: &Query, limit: usize) -> Result<Vec<Row>, Error> {
        let rows = sql::query(select_rows!(
            "WHERE seq < $1 AND at >= $2 AND ($3 = '' OR object = $3) \
             AND ($4 = '' OR who = $4 OR substr(who, 1, length($4) + 2) = $4 || ' (') \
             ORDER BY seq DESC LIMIT $5"
        ))
        .bind(query.before.unwrap_or(i64::MAX))
        .bind(query.since.map_or(i64::MIN, micros))
        .bind(query.object.as_deref().unwrap_or_default())
        .bind(query.who.as_deref().unwrap_or_default())
        .bind(i64::try_from(limit.min(1000)).unwrap_or(1000))
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(Error::doing("reading the audit"))?;
        rows.iter().map(read).collect()
    }

    /// Goes through the whole chain.
    ///
    /// # Errors
    /// Where the database fails; what is wrong with the chain is no error but a [`Verdict::fault`].
    pub async fn verify_audit(&self) -> Result<Verdict, Error> {
        // Old rows that are thrown away while one looks are not missing: the start has moved then.
        for _ in 0..3 {
            let verdict = self.verify_once().await?;
            if verdict.fault.is_none() || self.audit_begins().await? == Some(verdict.first) {
                return Ok(verdict);
            }
        }
        self.verify_once().await
    }

    /// Position of the oldest row that should be there.
    async fn audit_begins(&self) -> Result<Option<i64>, Error> {
        let mut write = self.write().await?;
        Ok(chain::take(&mut write, START).await?.map(|start| start.seq + 1))
    }

    async fn verify_once(&self) -> Result<Verdict, Error> {
        let key = self.chain()?.clone();
        // Both ends at one moment; what is added meanwhile comes after the head, and is not looked at.
        let mut write = self.write().await?;
        let (head, start) = (chain::take(&mut write, HEAD).await?, chain::take(&mut write, START).await?);
        drop(write);
        let fault = [("the newest end", HEAD, &head), ("the start", START, &start)].into_iter().find_map(
            |(words, name, end)| match end {
                None => Some(format!("{words} of the chain was taken away")),
                Some(end) if !key.is_genuine(name, end) => Some(format!("{words} of the chain was changed")),
                Some(_) => None,
            },
        );
        let (head, start) = (head.unwrap_or_default(), start.unwrap_or_default());
        let mut verdict =
            Verdict { rows: 0, first: start.seq + 1, last: head.seq, head: head.digest.clone(), fault };
        let (mut seq, mut digest) = (start.seq, start.digest);
        while verdict.fault.is_none() && seq < head.seq {
            let rows = sql::query(select_rows!("WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3"))
                .bind(seq)
                .bind(head.seq)
                .bind(BATCH)
                .fetch_all(&mut *self.reader().await?)
                .await
                .map_err(Error::doing("reading the audit"))?;
            if rows.is_empty() {
                verdict.fault = Some(format!("row {} is missing", seq + 1));
            }
            for row in &rows {
                let row = read(row)?;
                if row.seq != seq + 1 {
                    verdict.fault = Some(format!("row {} is missing", seq + 1));
                } else if key.link(&digest, &row) != row.digest {
                    verdict.fault = Some(format!("row {} was changed", row.seq));
                }
                if verdict.fault.is_some() {
                    break;
                }
                (seq, digest) = (row.seq, row.digest);
                verdict.rows += 1;
            }
        }
        if verdict.fault.is_none() && digest != head.digest {
            verdict.fault = Some(format!("row {} is not the last one that was added", seq));
        }
        Ok(verdict)
    }

    /// Throws away rows from before `before`, from the start on; the chain goes on from the last of them.
    pub(crate) async fn sweep_audit(&self, before: i64) -> Result<u64, Error> {
        let failed = || Error::doing("throwing away old rows of the audit");
        let key = self.chain()?.clone();
        let mut thrown = 0;
        loop {
            let mut write = self.write().await?;
            let Some(start) = chain::take(&mut write, START).await? else { return Ok(thrown) };
            let rows = sql::query(select_rows!("WHERE seq > $1 ORDER BY seq LIMIT $2"))
                .bind(start.seq)
                .bind(BATCH)
                .fetch_all(write.connection())
                .await
                .map_err(failed())?;
            let mut last = None;
            for row in &rows {
                let row = read(row)?;
                if micros(truncated(row.at)) >= before {
                    break;
                }
                last = Some(row);
            }
            let Some(last) = last else { return Ok(thrown) };
            let done = sql::query("DELETE FROM audit WHERE seq <= $1")
                .bind(last.seq)
                .execute(write.connection())
                .await
                .map_err(failed())?;
            chain::set(&mut write, START, &key.end(START, last.seq, &last.digest)).await?;
            write.commit_quietly().await?;
            thrown += done;
        }
    }
}
