//! Who may call the API: tokens with a role, known by digest only.

use std::fmt;

use jiff::Timestamp;
use std::str::FromStr;
use underlay_core::Name;

use crate::{
    Error, Store,
    column::micros,
    operation::words,
    sql::{self, Row},
};

/// What the bearer of a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Admin,
    /// The operator's nouns and every tenant's, but no tokens.
    Operator,
    /// The tenant's nouns of its owner.
    Tenant,
    /// Reading.
    Reader,
}

words!(Role {
    Role::Admin => "admin",
    Role::Operator => "operator",
    Role::Tenant => "tenant",
    Role::Reader => "reader",
});

/// One token, without the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Digest of the token ([`underlay_core::boot::digest`]).
    pub digest: String,
    /// Its name, unique among those not revoked.
    pub name: String,
    /// What its bearer may do.
    pub role: Role,
    /// The only owner whose objects it reaches; `None`: all.
    pub owner: Option<Name>,
    /// The only site whose objects it writes; `None`: all.
    pub site: Option<Name>,
    /// The only pool whose hosts, and machines on them, it writes; `None`: all.
    pub pool: Option<Name>,
    /// May it take the protection from what is protected?
    pub may_unprotect: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Void from then on.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

fn read(row: &Row) -> Result<ApiToken, Error> {
    let name = |column: &str| {
        let text = row.maybe_text(column)?;
        text.map(|text| text.parse::<Name>().map_err(Error::decode(column))).transpose()
    };
    Ok(ApiToken {
        digest: row.text("digest")?,
        name: row.text("name")?,
        role: row.parsed("role")?,
        owner: name("owner")?,
        site: name("site")?,
        pool: name("pool")?,
        may_unprotect: row.number("may_unprotect")? != 0,
        created_at: row.time("created_at")?,
        expires_at: row.maybe_time("expires_at")?,
        revoked_at: row.maybe_time("revoked_at")?,
    })
}

impl Store {
    /// Accepts a token from now on.
    ///
    /// # Errors
    /// [`Error::TokenExists`] where a living one has its name.
    pub async fn add_api_token(&self, token: &ApiToken) -> Result<(), Error> {
        let mut write = self.write().await?;
        let done = sql::query(
            "INSERT INTO api_token (digest, name, role, owner, created_at, expires_at, site, pool, may_unprotect) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
        )
        .bind(&token.digest)
        .bind(&token.name)
        .bind(token.role.as_str())
        .bind(token.owner.as_ref().map(|owner| owner.as_str().to_owned()))
        .bind(micros(token.created_at))
        .bind(token.expires_at.map(micros))
        .bind(token.site.as_ref().map(|site| site.as_str().to_owned()))
        .bind(token.pool.as_ref().map(|pool| pool.as_str().to_owned()))
        .bind(i64::from(token.may_unprotect))
        .execute(write.connection())
        .await
        .map_err(Error::doing("adding an API token"))?;
        if done == 0 {
            return Err(Error::TokenExists { name: token.name.clone() });
        }
        write.commit_quietly().await
    }

    /// Every token, revoked ones included, oldest first.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn api_tokens(&self) -> Result<Vec<ApiToken>, Error> {
        let rows = sql::query(
            "SELECT digest, name, role, owner, site, pool, may_unprotect, created_at, expires_at, revoked_at \
             FROM api_token \
             ORDER BY created_at, digest",
        )
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(Error::doing("listing API tokens"))?;
        rows.iter().map(read).collect()
    }

    /// Voids the living token of that name. Was there one?
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn revoke_api_token(&self, name: &str, now: Timestamp) -> Result<bool, Error> {
        let mut write = self.write().await?;
        let done = sql::query("UPDATE api_token SET revoked_at = $2 WHERE name = $1 AND revoked_at IS NULL")
            .bind(name)
            .bind(micros(now))
            .execute(write.connection())
            .await
            .map_err(Error::doing("revoking an API token"))?;
        write.commit_quietly().await?;
        Ok(done > 0)
    }

    /// The token of that digest, if it is neither revoked nor expired.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn authenticate(&self, digest: &str, now: Timestamp) -> Result<Option<ApiToken>, Error> {
        let row = sql::query(
            "SELECT digest, name, role, owner, site, pool, may_unprotect, created_at, expires_at, revoked_at \
             FROM api_token \
             WHERE digest = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)",
        )
        .bind(digest)
        .bind(micros(now))
        .fetch_optional(&mut *self.reader().await?)
        .await
        .map_err(Error::doing("looking up an API token"))?;
        row.as_ref().map(read).transpose()
    }
}
