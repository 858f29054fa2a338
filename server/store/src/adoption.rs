//! Enrolment tokens for machines that are installed already, and which agent key lives on which host.
//!
//! Only digests of tokens are kept. A use of one is spent in the same transaction that makes the host, so however many bring
//! it at once, it makes no more hosts than it was good for. A key that lives on a host already is answered by that host and
//! spends nothing, because answers get lost. One host has one key, and one box, where it can be told apart, one host.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use underlay_core::{Key, Kind, Name, ObjectId};

use crate::{
    Error, PutRequest, Record, Store,
    column::{self, micros},
    hint::Topic,
    object::put,
    sql::{self, Connection},
    transaction::Write,
};

/// What a token makes of the machine that brings it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The site of its host.
    pub site: Name,
    /// The owner of its host.
    pub owner: Name,
    /// The pool of its host, as a spec mentions it.
    pub pool: String,
    /// The name of its host; left out, the one it calls itself by.
    pub name: Option<Name>,
    /// The labels of its host.
    pub labels: BTreeMap<String, String>,
    /// The host whose agent it is to be, in place of the one that host had.
    pub again: Option<ObjectId>,
    /// Who made the token, for the audit.
    pub by: String,
}

/// An enrolment token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Digest of the token ([`underlay_core::boot::digest`]).
    pub digest: String,
    /// What it makes.
    pub terms: Terms,
    /// How many machines may bring it.
    pub uses: u32,
    /// Void from then on.
    pub expires_at: Timestamp,
}

/// Where an agent is to live.
#[derive(Clone, Debug)]
pub enum Home {
    /// On a host that this Put makes.
    New(Box<PutRequest>),
    /// On a host that is there.
    Known(ObjectId),
}

/// What became of an adoption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// It lives on this host from now on.
    Home(ObjectId),
    /// It lived there already.
    Again(ObjectId),
    /// The token is unknown, used up, or its time is over.
    Void,
    /// Another key lives there, or another host has that box.
    Occupied(ObjectId),
}

/// Who asks to live on a host.
#[derive(Clone, Debug)]
pub struct Newcomer<'a> {
    /// Digest of the token it brings.
    pub token: &'a str,
    /// Fingerprint of its key.
    pub key: &'a str,
    /// What tells its box apart from all others, where something does.
    pub box_: Option<&'a str>,
}

impl Store {
    /// Accepts a token from now on.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn offer_adoption(&self, offer: &Offer) -> Result<(), Error> {
        let mut write = self.write().await?;
        sql::query("INSERT INTO adoption (digest, terms, uses, expires_at) VALUES ($1, $2, $3, $4)")
            .bind(&offer.digest)
            .bind(column::json("terms", &offer.terms)?)
            .bind(i64::from(offer.uses))
            .bind(micros(offer.expires_at))
            .execute(write.connection())
            .await
            .map_err(Error::doing("offering an adoption"))?;
        write.commit_quietly().await
    }

    /// What the token of that digest makes, if it is good now.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn adoption(&self, digest: &str, now: Timestamp) -> Result<Option<Terms>, Error> {
        let row = sql::query("SELECT terms FROM adoption WHERE digest = $1 AND uses > 0 AND expires_at > $2")
            .bind(digest)
            .bind(micros(now))
            .fetch_optional(&mut *self.reader().await?)
            .await
            .map_err(Error::doing("reading an adoption"))?;
        row.map(|row| row.json("terms")).transpose()
    }

    /// The fingerprint of the key that lives on a host.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn resident(&self, host: ObjectId) -> Result<Option<String>, Error> {
        key_on(&mut *self.reader().await?, host).await
    }

    /// The host on which a key lives.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn home(&self, key: &str) -> Result<Option<ObjectId>, Error> {
        home_of(&mut *self.reader().await?, key).await
    }

    /// Lets a newcomer live on a host, for one use of its token.
    ///
    /// # Errors
    /// As [`Store::put`], or the database fails. Nothing was made or spent then.
    pub async fn adopt(&self, who: &Newcomer<'_>, home: Home, terms: &Terms) -> Result<Adopted, Error> {
        let now = self.now();
        let mut write = self.write_ordered().await?;
        if let Some(host) = home_of(write.connection(), who.key).await? {
            return Ok(Adopted::Again(host));
        }
        if !spend(&mut write, who.token, now).await? {
            return Ok(Adopted::Void);
        }
        let host = match home {
            Home::New(request) => put::create_only(&mut write, &request, now).await?,
            Home::Known(host) => known(&mut write, host).await?,
        };
        if terms.again == Some(host) {
            evict(&mut write, host).await?;
        }
        let done = sql::query(
            "INSERT INTO resident (host, agent_key, box, since) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        )
        .bind(host.to_string())
        .bind(who.key)
        .bind(who.box_.map(str::to_owned))
        .bind(micros(now))
        .execute(write.connection())
        .await
        .map_err(Error::doing("letting an agent live on a host"))?;
        if done == 0 {
            // Nothing of the above is committed.
            return Ok(Adopted::Occupied(in_the_way(&mut write, who).await?.unwrap_or(host)));
        }
        write.touch(Topic::Object(host));
        write.commit().await?;
        Ok(Adopted::Home(host))
    }
}

async fn spend(write: &mut Write<'_>, digest: &str, now: Timestamp) -> Result<bool, Error> {
    let done =
        sql::query("UPDATE adoption SET uses = uses - 1 WHERE digest = $1 AND uses > 0 AND expires_at > $2")
            .bind(digest)
            .bind(micros(now))
            .execute(write.connection())
            .await
            .map_err(Error::doing("spending an adoption"))?;
    Ok(done > 0)
}

async fn known(write: &mut Write<'_>, host: ObjectId) -> Result<ObjectId, Error> {
    let record = Record::find(write.connection(), host).await?;
    match record.filter(|record| record.raw.meta.kind == Kind::Host && record.raw.meta.purged_at.is_none()) {
        None => Err(Error::NotFound { kind: Kind::Host, name: host.to_string() }),
        Some(record) if record.raw.meta.deleted_at.is_some() => {
            let key: Key = record.raw.meta.key;
            Err(Error::Deleting { kind: Kind::Host, key })
        }
        Some(_) => Ok(host),
    }
}

/// The key that lives on `host` does not any more.
pub(crate) async fn evict(write: &mut Write<'_>, host: ObjectId) -> Result<(), Error> {
    let done = sql::query("DELETE FROM resident WHERE host = $1")
        .bind(host.to_string())
        .execute(write.connection())
        .await
        .map_err(Error::doing("putting an agent out of a host"))?;
    if done > 0 {
        write.touch(Topic::Object(host));
    }
    Ok(())
}

async fn key_on(connection: &mut Connection, host: ObjectId) -> Result<Option<String>, Error> {
    let row = sql::query("SELECT agent_key FROM resident WHERE host = $1")
        .bind(host.to_string())
        .fetch_optional(connection)
        .await
        .map_err(Error::doing("reading who lives on a host"))?;
    row.map(|row| row.text("agent_key")).transpose()
}

async fn home_of(connection: &mut Connection, key: &str) -> Result<Option<ObjectId>, Error> {
    let row = sql::query("SELECT host FROM resident WHERE agent_key = $1")
        .bind(key)
        .fetch_optional(connection)
        .await
        .map_err(Error::doing("reading where an agent lives"))?;
    row.map(|row| row.parsed("host")).transpose()
}

async fn in_the_way(write: &mut Write<'_>, who: &Newcomer<'_>) -> Result<Option<ObjectId>, Error> {
    let row = sql::query("SELECT host FROM resident WHERE box = $1")
        .bind(who.box_.unwrap_or_default())
        .fetch_optional(write.connection())
        .await
        .map_err(Error::doing("reading which host has a box"))?;
    row.map(|row| row.parsed("host")).transpose()
}
