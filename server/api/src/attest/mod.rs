//! Is what a host runs what it was given to run? Asked of its TPM before a token is taken, where the host's pool trusts
//! nothing else.
//!
//! - [`quote`]: what the TPM signed, and what follows from it
//! - [`program`]: the programs that may have been started, by the hash that firmware measures them by
//!
//! Invariant: an agent that does not pass gets no certificate and takes no token: the host's own can still come.

mod program;
mod quote;
#[cfg(test)]
mod tests;

use underlay_core::{
    Kind, ObjectId,
    agent::Purpose,
    attest,
    host::Host,
    observation::{Body, Observation, Source},
    pool::{Pool, Trust},
};
use underlay_proto::v1 as pb;
use underlay_store::{Error as StoreError, token::Redeemed};

use crate::{context::Context, errors::Error};

/// Lets an agent that brings a good token through, or not; one that brings another is for the token's own check.
pub(crate) async fn admit(context: &Context, digest: &str, request: &pb::RedeemRequest) -> Result<(), Error> {
    let now = underlay_core::clock::now();
    let Some(grant) = context.store.granted(digest, Purpose::Agent, now).await? else { return Ok(()) };
    let Some(record) = context.store.get(grant.host).await? else { return Ok(()) };
    let host = record.raw.decode::<Host>()?;
    let pool = context.store.resolve(&host.meta.key, Kind::Pool, &host.spec.pool).await?;
    let pool = pool.map(|record| record.raw.decode::<Pool>()).transpose()?;
    if pool.is_none_or(|pool| pool.spec.trust != Trust::Tpm) {
        return Ok(());
    }
    let ramdisk = context.config.ramdisk.clone();
    let programs = tokio::task::spawn_blocking(move || program::of(&ramdisk)).await;
    let programs = programs.map_err(|_| Error::Unavailable("the boot program cannot be read"))?;
    let binding = attest::binding(&request.token, &request.csr);
    let why = match programs {
        Ok(programs) => quote::check(request.quote.as_ref(), &binding, &programs)
            .and_then(|key| quote::is_of(&key, host.spec.identity.tpm.as_deref()))
            .err(),
        Err(why) => Some(why),
    };
    match why {
        None => Ok(()),
        Some(why) => Err(refuse(context, &grant, why).await?),
    }
}

async fn refuse(context: &Context, grant: &Redeemed, why: String) -> Result<Error, Error> {
    let Redeemed { host, epoch, .. } = *grant;
    tracing::warn!(%host, epoch, why, "an agent is not what its host was given to run");
    observe(context, host, Body::Unproven { epoch, why: why.clone() }).await?;
    Ok(Error::Denied(format!("the machine's TPM does not vouch for this agent: {why}")))
}

async fn observe(context: &Context, id: ObjectId, body: Body) -> Result<(), Error> {
    let seen = Observation { id, source: Source::Quote, at: underlay_core::clock::now(), body };
    match context.store.observe(&seen).await {
        Err(StoreError::NotFound { .. }) => Ok(()),
        other => Ok(other?),
    }
}
