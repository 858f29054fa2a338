//! The digests that tie the audit's rows together, and its two ends. HMAC-SHA-256 (RFC 2104) under a key of its own,
//! which is sealed like every other secret, so that another sealing key does not break the chain.

use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use serde::{Deserialize, Serialize};

use super::Row;
use crate::{
    Error, SealingKey,
    column::{self, micros},
    sql,
    transaction::Write,
};

/// Where the key of the chain is sealed.
pub(crate) const PLACE: &str = "audit/key";
/// The name of the newest row's end, and of what the oldest row goes on from.
pub(crate) const HEAD: &str = "audit_head";
pub(crate) const START: &str = "audit_start";

/// One end of the chain, bound to its name by a seal of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct End {
    pub(crate) seq: i64,
    pub(crate) digest: String,
    seal: String,
}

/// The key of the chain.
#[derive(Clone, Debug)]
pub(crate) struct ChainKey(hmac::Key);

impl ChainKey {
    fn sign(&self, parts: &[&str]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        context.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The digest of a row that comes after one of digest `before`.
    pub(crate) fn link(&self, before: &str, row: &Row) -> String {
        let (seq, at) = (row.seq.to_string(), micros(row.at).to_string());
        let it = &row.entry;
        self.sign(&[
            "row",
            before,
            &seq,
            &at,
            &it.who,
            &it.via,
            &it.method,
            &it.object,
            &it.request_id,
            &it.outcome,
            &it.detail,
        ])
    }

    /// An end of that name.
    pub(crate) fn end(&self, name: &str, seq: i64, digest: &str) -> End {
        End { seq, digest: digest.to_owned(), seal: self.sign(&["end", name, &seq.to_string(), digest]) }
    }

    /// Is this the end it says it is?
    pub(crate) fn is_genuine(&self, name: &str, end: &End) -> bool {
        *end == self.end(name, end.seq, &end.digest)
    }
}

/// The key of this database's chain; a database without one gets one, and the beginning of a chain.
pub(crate) async fn open(write: &mut Write<'_>, sealing: &SealingKey) -> Result<ChainKey, Error> {
    let failed = || Error::doing("reading the key of the audit");
    let mut bytes = [0_u8; 32];
    SystemRandom::new().fill(&mut bytes).expect("the kernel's random source does not fail once it is up");
    let fresh: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let row = sql::query(
        "INSERT INTO meta (name, value) VALUES ('audit_key', $1) \
         ON CONFLICT (name) DO UPDATE SET value = meta.value RETURNING value",
    )
    .bind(sealing.seal(PLACE, fresh.as_bytes()))
    .fetch_one(write.connection())
    .await
    .map_err(failed())?;
    let text = sealing.open_text(PLACE, &row.text("value")?)?;
    let key = ChainKey(hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes()));
    if text == fresh {
        for name in [HEAD, START] {
            set(write, name, &key.end(name, 0, "")).await?;
        }
    }
    Ok(key)
}

/// Reads an end and holds it until the write is over: rows are added one after the other.
pub(crate) async fn take(write: &mut Write<'_>, name: &str) -> Result<Option<End>, Error> {
    let row = sql::query("UPDATE meta SET value = value WHERE name = $1 RETURNING value")
        .bind(name)
        .fetch_optional(write.connection())
        .await
        .map_err(Error::doing("reading an end of the audit"))?;
    let Some(row) = row else { return Ok(None) };
    Ok(serde_json::from_str(&row.text("value")?).ok())
}

/// Moves an end.
pub(crate) async fn set(write: &mut Write<'_>, name: &str, end: &End) -> Result<(), Error> {
    sql::query(
        "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind(name)
    .bind(column::json("an end of the audit", end)?)
    .execute(write.connection())
    .await
    .map_err(Error::doing("moving an end of the audit"))?;
    Ok(())
}
