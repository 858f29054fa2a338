//! API tokens: 256 random bits behind `ult_`, known to the store by their digest only. A token is shown once, and never
//! logged.

use std::{
    io,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use underlay_core::boot;
use underlay_store::{Store, api_token, audit::Trail};

use super::{Caller, Reach, Role};
use crate::{errors::Error, tls};

const PREFIX: &str = "ult_";
const OFFER: &str = "ulo_";
/// Length of 32 bytes in base64 without padding.
const BODY: usize = 43;

/// A fresh token.
pub(crate) fn mint() -> SecretString {
    random(PREFIX)
}

/// A fresh enrolment token, which is none for the API.
pub(crate) fn mint_offer() -> SecretString {
    random(OFFER)
}

fn random(prefix: &str) -> SecretString {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).expect("the kernel's random source does not fail once it is up");
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)).into()
}

/// The caller that an `authorization` header speaks for.
pub(crate) async fn authenticate(store: &Store, header: &str) -> Result<Caller, Error> {
    let refused = || Error::Unauthenticated("the API token is not valid: it is unknown, expired or revoked");
    let token = header.strip_prefix("Bearer ").ok_or_else(refused)?;
    if token.strip_prefix(PREFIX).is_none_or(|body| body.len() != BODY) {
        return Err(refused());
    }
    let found =
        store.authenticate(&boot::digest(token), underlay_core::clock::now()).await?.ok_or_else(refused)?;
    let role = Role::from(found.role);
    Ok(Caller {
        id: id(&found.digest).to_owned(),
        name: found.name,
        role,
        reach: Reach { owner: found.owner, site: found.site, pool: found.pool },
        may_unprotect: found.may_unprotect || role == Role::Admin,
        trail: Trail::default(),
    })
}

/// How much of a token's digest is its id.
const ID: usize = 16;

/// The id of the token of that digest: says nothing about the token.
pub(crate) fn id(digest: &str) -> &str {
    digest.get(..ID).unwrap_or(digest)
}

/// Why there is no first token.
#[derive(Debug, thiserror::Error)]
pub enum FirstTokenError {
    /// The store failed.
    #[error("keeping the first admin token")]
    Keep(#[source] underlay_store::Error),
    /// The file cannot be written.
    #[error("writing the first admin token to {path}")]
    Write {
        /// Its path.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
}

/// Makes the first admin token where there is no token at all yet, and writes it to `path` with mode 0600.
///
/// # Errors
/// [`FirstTokenError`]; trying again is safe.
pub async fn write_first_token(store: &Store, path: &Path) -> Result<(), FirstTokenError> {
    if !store.api_tokens().await.map_err(FirstTokenError::Keep)?.is_empty() {
        return Ok(());
    }
    let token = mint();
    // File first: a crash in between leaves a file that the next start overwrites, not a token that nobody has.
    tls::write_private(path, &format!("{}\n", token.expose_secret()))
        .map_err(|source| FirstTokenError::Write { path: path.to_owned(), source })?;
    let record = new_token(&token, "first-admin", Role::Admin, Reach::default(), None);
    store.add_api_token(&record).await.map_err(FirstTokenError::Keep)?;
    tracing::info!(path = %path.display(), "wrote the first admin token");
    Ok(())
}

/// What the store keeps of `token`.
pub(crate) fn new_token(
    token: &SecretString,
    name: &str,
    role: Role,
    reach: Reach,
    expires_at: Option<Timestamp>,
) -> api_token::ApiToken {
    api_token::ApiToken {
        digest: boot::digest(token.expose_secret()),
        name: name.to_owned(),
        role: role.into(),
        owner: reach.owner,
        site: reach.site,
        pool: reach.pool,
        may_unprotect: role == Role::Admin,
        // As fine as the store keeps it, so that what is shown first is what is listed later.
        created_at: Timestamp::from_microsecond(underlay_core::clock::now().as_microsecond())
            .unwrap_or_default(),
        expires_at,
        revoked_at: None,
    }
}

impl From<Role> for api_token::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Admin => api_token::Role::Admin,
            Role::Operator => api_token::Role::Operator,
            Role::Tenant => api_token::Role::Tenant,
            Role::Viewer => api_token::Role::Reader,
        }
    }
}

impl From<api_token::Role> for Role {
    fn from(role: api_token::Role) -> Self {
        match role {
            api_token::Role::Admin => Role::Admin,
            api_token::Role::Operator => Role::Operator,
            api_token::Role::Tenant => Role::Tenant,
            api_token::Role::Reader => Role::Viewer,
        }
    }
}
