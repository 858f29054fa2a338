//! A machine becomes a host by a pool's rule: of the pool's owner and site, by the same Put as everybody's.
//!
//! Nothing that exists is ever changed by it. A name that is taken by another box is left to it.

use underlay_core::{
    Key, Kind, Noun,
    host::Host,
    identity::Traits,
    pool::bind::{self, Rule},
};
use underlay_store::{
    Error as StoreError, Intent, PutRequest, Record,
    audit::{Entry, Trail},
};

use super::register::Found;
use crate::{context::Context, errors::Error, listen::Peer};

/// No more hosts than this are made by rules: whoever can reach the agents' door can make up machines.
const MOST: usize = 20_000;

/// Makes it a host. Is there one now?
pub(super) async fn bind(
    context: &Context,
    pool: &Key,
    rule: &Rule,
    found: &Found,
    from: &Peer,
) -> Result<bool, Error> {
    let register = &context.ports.register;
    if register.hosts() >= MOST {
        tracing::warn!(%pool, mac = %found.boot_mac, "too many hosts: no more are made by rules");
        return Ok(false);
    }
    let spec = bind::host(&pool.name, rule, found.for_rules());
    for name in bind::names(found.for_rules()) {
        let key = Key { name, ..pool.clone() };
        let trail = Trail::new(Entry {
            who: format!("a bind rule of pool {pool}"),
            via: from.to_string(),
            method: "AgentService/Discover".into(),
            object: format!("{} {key}", Host::KIND),
            detail: format!("creates it for the machine that booted over {}", found.boot_mac),
            ..Entry::default()
        });
        let request = PutRequest::new::<Host>(key.clone(), &spec, Intent::Found)?;
        match context.store.on_record(&trail).put(request).await {
            Ok(put) => {
                tracing::info!(host = %key, id = %put.record.id(), mac = %found.boot_mac, "a machine became a host by a rule");
                return know(context, &put.record, found);
            }
            Err(StoreError::AlreadyExists { .. }) => {
                let Some(record) = context.store.get_by_key(Kind::Host, &key).await? else { continue };
                if know(context, &record, found)? {
                    return Ok(true);
                }
            }
            // It goes away; whatever becomes of it wakes the machine.
            Err(StoreError::Deleting { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

/// The register learns of it at once, and not when the feed brings it: until then the machine would be a stranger still.
/// Is it this machine's?
fn know(context: &Context, record: &Record, found: &Found) -> Result<bool, Error> {
    let host = record.raw.clone().decode::<Host>()?;
    context.ports.register.put_host(&host);
    Ok(Traits::enrolled(&host.spec.identity).touches(&found.traits))
}
