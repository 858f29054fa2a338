//! One-time boot tokens: granted by a controller, redeemed by the first agent key that brings them.
//!
//! Only digests are kept. Redeeming is idempotent per key, because answers get lost; a second key never succeeds, and is
//! recorded as an observation of the host.

use jiff::Timestamp;
use underlay_core::{
    ObjectId,
    agent::{Purpose, TokenGrant},
    observation::{Body, Observation, Source},
};

use crate::{Error, Store, column::micros, observation, sql, transaction::Write};

/// Who brings a token.
#[derive(Clone, Debug)]
pub struct Bearer {
    /// Fingerprint of its key; for the installed system, which has none, any constant.
    pub key: String,
    /// The address it comes from.
    pub address: String,
}

/// What became of a token that somebody brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redemption {
    /// It is good, for this host and this epoch.
    Redeemed(Redeemed),
    /// It was, but its time is over.
    Expired,
    /// There is no such token, or it was voided, or it is for another purpose.
    Unknown,
    /// Another key redeemed it before; this one was recorded.
    Intruder,
}

/// What a good token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redeemed {
    /// The host it was minted for.
    pub host: ObjectId,
    /// The object whose operation expects the boot.
    pub on_behalf_of: ObjectId,
    /// The epoch of that boot.
    pub epoch: i64,
}

fn word(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Agent => "agent",
        Purpose::PhoneHome => "phone_home",
    }
}

/// Accepts a token from now on. Older ones of the same host are void: those of earlier epochs, and those of the same
/// purpose. Granting the same one again does not undo its redemption.
pub(crate) async fn grant(write: &mut Write<'_>, grant: &TokenGrant) -> Result<(), Error> {
    sql::query("DELETE FROM token WHERE host = $1 AND digest <> $2 AND (epoch < $3 OR purpose = $4)")
        .bind(grant.host.to_string())
        .bind(&grant.digest)
        .bind(grant.epoch)
        .bind(word(grant.purpose))
        .execute(write.connection())
        .await
        .map_err(Error::doing("voiding older boot tokens"))?;
    sql::query(
        "INSERT INTO token (digest, host, on_behalf_of, epoch, purpose, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (digest) DO UPDATE SET expires_at = excluded.expires_at",
    )
    .bind(&grant.digest)
    .bind(grant.host.to_string())
    .bind(grant.on_behalf_of.to_string())
    .bind(grant.epoch)
    .bind(word(grant.purpose))
    .bind(micros(grant.expires_at))
    .execute(write.connection())
    .await
    .map_err(Error::doing("granting a boot token"))?;
    Ok(())
}

/// Voids every token of `host`.
pub(crate) async fn revoke(write: &mut Write<'_>, host: ObjectId) -> Result<(), Error> {
    sql::query("DELETE FROM token WHERE host = $1")
        .bind(host.to_string())
        .execute(write.connection())
        .await
        .map_err(Error::doing("voiding boot tokens"))?;
    Ok(())
}

impl Store {
    /// What the token of that digest is good for now, whoever has redeemed it; changes nothing.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn granted(
        &self,
        digest: &str,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Option<Redeemed>, Error> {
        let row = sql::query(
            "SELECT host, on_behalf_of, epoch FROM token WHERE digest = $1 AND purpose = $2 AND expires_at > $3",
        )
        .bind(digest)
        .bind(word(purpose))
        .bind(micros(now))
        .fetch_optional(&mut *self.reader().await?)
        .await
        .map_err(Error::doing("looking up a boot token"))?;
        let Some(row) = row else { return Ok(None) };
        let (host, on_behalf_of) = (row.parsed("host")?, row.parsed("on_behalf_of")?);
        Ok(Some(Redeemed { host, on_behalf_of, epoch: row.number("epoch")? }))
    }

    /// Redeems the token of that digest (BLAKE3, hex) for `bearer`.
    ///
    /// # Errors
    /// Where the database fails; nothing was redeemed then.
    pub async fn redeem(
        &self,
        digest: &str,
        purpose: Purpose,
        bearer: &Bearer,
        now: Timestamp,
    ) -> Result<Redemption, Error> {
        let mut write = self.write_ordered().await?;
        // One statement decides who is first: every racer after it sees the winner's key.
        let row = sql::query(
            "UPDATE token SET redeemed_by = CASE WHEN redeemed_by IS NULL AND expires_at > $3 THEN $4 \
             ELSE redeemed_by END WHERE digest = $1 AND purpose = $2 \
             RETURNING host, on_behalf_of, epoch, expires_at, redeemed_by",
        )
        .bind(digest)
        .bind(word(purpose))
        .bind(micros(now))
        .bind(&bearer.key)
        .fetch_optional(write.connection())
        .await
        .map_err(Error::doing("redeeming a boot token"))?;
        let Some(row) = row else { return Ok(Redemption::Unknown) };
        let host = row.parsed("host")?;
        let epoch = row.number("epoch")?;
        let redeemed_by = row.maybe_text("redeemed_by")?;
        if redeemed_by.as_ref().is_some_and(|key| *key != bearer.key) {
            record_intruder(&mut write, host, epoch, bearer, now).await?;
            write.commit().await?;
            return Ok(Redemption::Intruder);
        }
        if row.time("expires_at")? <= now {
            return Ok(Redemption::Expired);
        }
        let on_behalf_of = row.parsed("on_behalf_of")?;
        write.commit_quietly().await?;
        Ok(Redemption::Redeemed(Redeemed { host, on_behalf_of, epoch }))
    }
}

async fn record_intruder(
    write: &mut Write<'_>,
    host: ObjectId,
    epoch: i64,
    bearer: &Bearer,
    now: Timestamp,
) -> Result<(), Error> {
    let body = Body::Intruder { epoch, key: bearer.key.clone(), address: bearer.address.clone() };
    let seen = Observation { id: host, source: Source::Intruder, at: now, body };
    match observation::put(write, &seen).await {
        // A host that is gone has nobody to tell.
        Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
