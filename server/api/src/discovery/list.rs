//! Machines without a host, for people: what they are, what changed in them, and what keeps them from being one.

use std::sync::Arc;

use underlay_core::identity::{Traits, score::Verdict};
use underlay_proto::v1 as pb;
use underlay_store::discovered::Discovered;

use super::register::{Bound, Found, Register};
use crate::{
    context::Context,
    convert::{inventory, object},
    errors::Error,
};

/// The newest `limit` of them, newest first.
pub(crate) async fn list(context: &Context, limit: usize) -> Result<Vec<pb::Discovered>, Error> {
    let register = &context.ports.register;
    let waiting = register.seats.macs();
    let kept = context.store.discovered().await?;
    let spelled = kept.into_iter().filter_map(|seen| {
        let conflict = conflict(register, &seen)?;
        Some(pb::Discovered {
            mac: seen.mac.to_string(),
            network: seen.network.unwrap_or_default(),
            seen_at: Some(object::timestamp(seen.last_seen)),
            first_seen_at: Some(object::timestamp(seen.first_seen)),
            inventory: Some(inventory::message(&seen.inventory)),
            changes: seen.changes.iter().map(inventory::change).collect(),
            waiting: waiting.contains(&seen.mac),
            conflict,
        })
    });
    Ok(spelled.take(limit).collect())
}

/// What keeps it from being a host, if anything does; `None` where it is one.
fn conflict(register: &Register, seen: &Discovered) -> Option<String> {
    let found = Arc::new(Found {
        boot_mac: seen.mac,
        network: seen.network.as_deref().and_then(|name| register.network_called(name)),
        traits: Traits::of(&seen.inventory, Some(seen.mac)),
        inventory: seen.inventory.clone(),
        digest: String::new(),
    });
    let verdict = register.judge(&found.traits);
    let clash = register.seats.clash(&found);
    if let Verdict::Is(_) = verdict {
        return clash;
    }
    let doubt = verdict.doubt().map(|(_, why)| why.to_owned()).or(clash);
    Some(doubt.unwrap_or_else(|| match register.bound(&found) {
        Bound::Torn(why) => why,
        Bound::Nowhere | Bound::To(..) => String::new(),
    }))
}
