//! API tokens: 256 random bits behind `ult_`, known to the store by their digest only. A token is shown once, and never
//! logged.

use std::path::Path;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use underlay_core::{Name, boot};
use underlay_store::{Store, api_token};

use super::{Caller, Role};
use crate::{errors::Error, tls};

const PREFIX: &str = "ult_";
/// Length of 32 bytes in base64 without padding.
const BODY: usize = 43;

/// A fresh token.
pub(crate) fn mint() -> SecretString {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).expect("the kernel's random source does not fail once it is up");
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)).into()
}

/// The caller that an `authorization` header speaks for.
pub(crate) async fn authenticate(store: &Store, header: &str) -> Result<Caller, Error> {
    let refused = || Error::Unauthenticated("the API token is not valid: it is unknown, expired or revoked");
    let token = header.strip_prefix("Bearer ").ok_or_else(refused)?;
    if token.strip_prefix(PREFIX).is_none_or(|body| body.len() != BODY) {
        return Err(refused());
    }
    let found = store.authenticate(&boot::digest(token), Timestamp::now()).await?.ok_or_else(refused)?;
    Ok(Caller { name: found.name, role: found.role.into(), owner: found.owner })
}

/// Makes the first admin token where there is no token at all yet, and writes it to `path` with mode 0600.
///
/// # Errors
/// What the store or the file system said; trying again is safe.
pub async fn write_first_token(
    store: &Store,
    path: &Path,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    if !store.api_tokens().await?.is_empty() {
        return Ok(());
    }
    let token = mint();
    // File first: a crash in between leaves a file that the next start overwrites, not a token that nobody has.
    tls::write_private(path, &format!("{}\n", token.expose_secret()))?;
    let record = new_token(&token, "first-admin", Role::Admin, None, None);
    store.add_api_token(&record).await?;
    tracing::info!(path = %path.display(), "wrote the first admin token");
    Ok(())
}

/// What the store keeps of `token`.
pub(crate) fn new_token(
    token: &SecretString,
    name: &str,
    role: Role,
    owner: Option<Name>,
    expires_at: Option<Timestamp>,
) -> api_token::ApiToken {
    api_token::ApiToken {
        digest: boot::digest(token.expose_secret()),
        name: name.to_owned(),
        role: role.into(),
        owner,
        // As fine as the store keeps it, so that what is shown first is what is listed later.
        created_at: Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap_or_default(),
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
