//! Does a host boot in a way that its pool trusts? Otherwise nothing is ever installed on it, and a plan says so.

use underlay_core::{
    FieldError, Kind, Object,
    host::Host,
    pool::{Pool, Trust},
};

use super::machine::read;
use crate::{context::Context, errors::Error};

/// Why no agent may be booted on it.
pub(super) async fn untrusted(context: &Context, host: &Object<Host>) -> Result<Option<FieldError>, Error> {
    let pool = read::<Pool>(context, &host.meta.key, Kind::Pool, &host.spec.pool).await?;
    let trust = pool.map_or(Trust::default(), |pool| pool.spec.trust);
    if host.spec.boot.methods.iter().any(|method| trust.allows(*method)) {
        return Ok(None);
    }
    let (name, pool, word) = (&host.meta.key.name, &host.spec.pool, trust.method());
    Ok(Some(FieldError::new(
        "host",
        format!(
            "host {name} boots in no way that its pool {pool} trusts; put \"{word}\" into boot.methods of underlay_host.{name} \
             and apply that first"
        ),
    )))
}
