//! Enrolment tokens for machines that are installed already: what an operator asks for, and what is to be run there.
//!
//! Who runs it believes the digests that stand beside the token, not the plain HTTP that the program comes by.

use std::path::Path;

use jiff::SignedDuration;
use secrecy::ExposeSecret;
use tokio::io::AsyncReadExt;
use underlay_core::{ErrorKind, Failure, Kind, Name, boot};
use underlay_proto::v1 as pb;
use underlay_store::adoption::{Offer, Terms};

use crate::{
    auth::{Caller, Pools, mint_offer},
    context::Context,
    convert::{Faults, host, object},
    errors::Error,
};

/// How long a token is good, unless said; and at most, in seconds.
const LIFE: (u64, u64) = (3600, 7 * 86_400);
/// How many machines may bring one at most.
const USES: u32 = 1000;
/// The agent's program, beside its ramdisk.
const PROGRAM: &str = "agent";

/// Makes a token.
pub(super) async fn offer(
    context: &Context,
    caller: &Caller,
    request: pb::OfferAdoptionRequest,
) -> Result<pb::OfferAdoptionResponse, Error> {
    let (terms, uses, ttl) = read(context, caller, request).await?;
    let agent = digest(&context.config.ramdisk.join(PROGRAM)).await?;
    let token = mint_offer();
    let expires_at = underlay_core::clock::now()
        .checked_add(SignedDuration::from_secs(ttl))
        .map_err(|_| Error::field("ttl_seconds", "is too long"))?;
    caller.trail.note_detail(&format!("pool {}, {uses} machines, for {ttl} s", terms.pool));
    let offer = Offer { digest: boot::digest(token.expose_secret()), terms, uses, expires_at };
    context.store.on_record(&caller.trail).offer_adoption(&offer).await?;
    tracing::info!(caller = caller.name, pool = offer.terms.pool, uses, ttl, "offered an adoption");
    Ok(pb::OfferAdoptionResponse {
        token: token.expose_secret().to_owned(),
        expires_at: Some(object::timestamp(expires_at)),
        boot_url: context.config.boot_url.clone(),
        api_url: context.config.api_url.clone(),
        ca_sha256: context.authority.digest(),
        agent_sha256: agent,
    })
}

async fn read(
    context: &Context,
    caller: &Caller,
    request: pb::OfferAdoptionRequest,
) -> Result<(Terms, u32, i64), Error> {
    let mut faults = Faults::default();
    let named = request.key.unwrap_or_default();
    let name = faults.parse_optional::<Name>("name", &named.name);
    let key = underlay_core::Key {
        site: faults.parse_optional("site", &named.site).unwrap_or_default(),
        owner: faults.parse_optional("owner", &named.owner).unwrap_or_default(),
        name: name.clone().unwrap_or_default(),
    };
    let pool = faults.parse_optional::<Name>("pool", &request.pool).unwrap_or_default();
    let labels = host::labels(&mut faults, request.labels);
    let ttl = if request.ttl_seconds == 0 { LIFE.0 } else { request.ttl_seconds };
    if ttl > LIFE.1 {
        faults.add("ttl_seconds", format!("use at most {}: whoever has the token makes hosts", LIFE.1));
    }
    let uses = request.uses.max(1);
    if uses > USES || (uses > 1 && name.is_some()) {
        faults.add("uses", format!("use at most {USES}, and 1 for a host that is named"));
    }
    if request.again && name.is_none() {
        faults.add("name", "name the host whose agent is to be replaced");
    }
    faults.into_result(Some(()))?;
    caller.trail.note_object(format_args!("host {}/{}", key.site, key.owner));
    caller.must_write(&key, &Pools::named([pool.as_str()]))?;
    let mut pool = pool.to_string();
    let mut again = None;
    if request.again {
        caller.trail.note_object(format_args!("host {key}"));
        let record = context.store.get_by_key(Kind::Host, &key).await?.ok_or_else(|| Error::Missing {
            kind: Kind::Host,
            name: key.to_string(),
            tombstone: None,
        })?;
        let found = record.raw.decode::<underlay_core::host::Host>()?;
        caller.must_write(&key, &Pools::named([found.spec.pool.as_str()]))?;
        (pool, again) = (found.spec.pool, Some(found.meta.id));
    }
    let terms = Terms { site: key.site, owner: key.owner, pool, name, labels, again, by: caller.who() };
    Ok((terms, uses, i64::try_from(ttl).unwrap_or(i64::MAX)))
}

/// SHA-256 of the agent's program, hex.
async fn digest(path: &Path) -> Result<String, Error> {
    let missing = |error: std::io::Error| {
        Error::Precondition(Box::new(Failure::new(
            ErrorKind::Invalid,
            "offering an adoption",
            format!("there is no agent to install at {}: {error}", path.display()),
            "no token was made",
            "Build the ramdisk with this release (underlay ramdisk build), which puts the agent beside it, or copy the static \
             agent there",
        )))
    };
    let mut file = tokio::fs::File::open(path).await.map_err(missing)?;
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer).await.map_err(missing)? {
            0 => return Ok(hex::encode(hash.finish())),
            read => hash.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}
