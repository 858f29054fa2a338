//! One report of a machine: whose is it, what is written of that, and is there work for it?
//!
//! An agent that can wait is held until there is, for no longer than [`HOLD`]. It is looked at again when something changes
//! that is about it: a host that shares an identity with it, a pool's rules, a boot plan of its host. Nothing is asked of
//! the database while nothing changes.

use std::{net::IpAddr, sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout_at};
use underlay_core::{
    Mac, ObjectId,
    agent::Inventory,
    identity::{Traits, score::Verdict},
    observation::{Body, Observation, Source},
};
use underlay_proto::v1 as pb;
use underlay_store::{Error as StoreError, discovered::Seen};

use super::{
    bind,
    notes::News,
    register::{Bound, Found, Register},
};
use crate::{context::Context, convert::inventory, errors::Error, listen::Peer};

/// The longest that an agent is held; proxies on the way close what is silent for a minute.
const HOLD: Duration = Duration::from_secs(50);
/// How long an agent that cannot wait, or is not held, waits before it reports again.
const AGAIN: Duration = Duration::from_secs(30);
/// The same for one that was held.
const AT_ONCE: Duration = Duration::from_secs(1);
/// How long after a change that could not be written it is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// A report, as it came in.
pub(crate) struct Report {
    pub(crate) boot_mac: Mac,
    pub(crate) from: Peer,
    pub(crate) request: pb::DiscoverRequest,
}

/// What becomes of a machine.
enum Fate {
    /// There is a host, and work for it.
    Token(SecretString),
    /// Nothing for now.
    Wait,
    /// It was made a host just now: look again.
    Again,
}

/// Takes a report, and answers it when there is something to say.
pub(crate) async fn attend(context: &Context, report: Report) -> Result<pb::DiscoverResponse, Error> {
    let register = &context.ports.register;
    let wait = Duration::from_secs(report.request.wait_seconds.into()).min(HOLD);
    let Some(found) = read(register, &report)? else {
        // It has to say once more what it is.
        return Ok(answer(AT_ONCE, String::new(), None));
    };
    let name = found.digest.clone();
    if !register.is_complete() {
        return Ok(answer(AGAIN / 2, name, None));
    }
    let ticket = if wait.is_zero() { None } else { register.seats.take(found.clone()) };
    let Some(ticket) = ticket else {
        while let Fate::Again = judge(context, &found, &report.from, &mut |_| {}).await? {}
        return Ok(answer(AGAIN, name, None));
    };
    let until = Instant::now() + wait;
    loop {
        match judge(context, &found, &report.from, &mut |host| ticket.judged(host)).await {
            Ok(Fate::Token(token)) => return Ok(answer(AT_ONCE, name, Some(&token))),
            Ok(Fate::Again) => continue,
            Ok(Fate::Wait) => {}
            Err(error) => {
                tracing::warn!(mac = %found.boot_mac, error = %tonic::Status::from(error).message(), "a machine waits for better times");
                let _ = timeout_at(until.min(Instant::now() + RETRY), ticket.woken()).await;
                if Instant::now() < until {
                    continue;
                }
            }
        }
        tokio::select! {
            () = context.stop.cancelled() => return Err(Error::Unavailable("the server stops")),
            woken = timeout_at(until, ticket.woken()) => if woken.is_err() {
                return Ok(answer(AT_ONCE, name, None));
            },
        }
    }
}

fn answer(again: Duration, report: String, token: Option<&SecretString>) -> pb::DiscoverResponse {
    pb::DiscoverResponse {
        again_seconds: u32::try_from(again.as_secs()).unwrap_or(1),
        token: token.map(|token| token.expose_secret().to_owned()).unwrap_or_default(),
        report,
    }
}

/// What is reported; nothing, where only its name came and that is not known.
fn read(register: &Register, report: &Report) -> Result<Option<Arc<Found>>, Error> {
    let address = report.from.address.map(|address| address.ip());
    let from = (address, report.boot_mac);
    let request = &report.request;
    let Some(message) = &request.inventory else {
        return Ok(match request.report.as_str() {
            "" => {
                Some(Arc::new(found(register, Inventory::default(), report.boot_mac, address, String::new())))
            }
            digest => register.reports.recall(from, digest),
        });
    };
    let inventory = inventory::inventory(message.clone())?;
    let text = serde_json::to_vec(&inventory).unwrap_or_default();
    let digest = blake3::hash(&text).to_hex().to_string();
    let found = Arc::new(found(register, inventory, report.boot_mac, address, digest));
    if request.wait_seconds > 0 {
        register.reports.keep(from, found.clone(), text.len());
    }
    Ok(Some(found))
}

fn found(
    register: &Register,
    inventory: Inventory,
    boot_mac: Mac,
    address: Option<IpAddr>,
    digest: String,
) -> Found {
    let traits = Traits::of(&inventory, Some(boot_mac));
    Found { boot_mac, network: register.network_at(address), traits, inventory, digest }
}

/// Whose machine is it, and what follows?
async fn judge(
    context: &Context,
    found: &Arc<Found>,
    from: &Peer,
    judged: &mut (dyn FnMut(Option<ObjectId>) + Send),
) -> Result<Fate, Error> {
    let register = &context.ports.register;
    let verdict = register.judge(&found.traits);
    let clash = register.seats.clash(found);
    match (&verdict, clash) {
        (Verdict::Is(host), None) => {
            judged(Some(*host));
            settle(context, *host).await?;
            waits(context, *host, found).await?;
            let token = register.token(*host, found);
            Ok(token.map_or(Fate::Wait, |token| Fate::Token(token.0)))
        }
        (Verdict::Is(host), Some(why)) => {
            judged(None);
            doubt(context, &[*host], &why).await?;
            list(context, found).await
        }
        (Verdict::Unknown, None) => {
            judged(None);
            match register.bound(found) {
                Bound::To(pool, rule) => {
                    if bind::bind(context, &pool, &rule, found, from).await? {
                        return Ok(Fate::Again);
                    }
                    list(context, found).await
                }
                Bound::Nowhere | Bound::Torn(_) => list(context, found).await,
            }
        }
        (Verdict::Unknown, Some(_)) => {
            judged(None);
            list(context, found).await
        }
        (Verdict::Ambiguous { hosts, why } | Verdict::Conflict { hosts, why }, _) => {
            judged(None);
            doubt(context, hosts, why).await?;
            list(context, found).await
        }
    }
}

/// Writes that the machine of a host waits, where that is news.
async fn waits(context: &Context, host: ObjectId, found: &Found) -> Result<(), Error> {
    let now = underlay_core::clock::now();
    let notes = &context.ports.register.notes;
    let since = match notes.waits(host, &found.digest, now) {
        News::None => return Ok(()),
        News::First => now,
        News::Since(since) => since,
    };
    let inventory = Box::new(found.inventory.clone());
    let body = Body::Waiting { since, boot_mac: found.boot_mac, inventory };
    tracing::info!(%host, mac = %found.boot_mac, "an agent waits in the RAM of a host");
    let written = match observe(context, host, Source::Waiting, body).await {
        // It has a host, and is no machine without one.
        Ok(()) => Ok(context.store.forget_discovered(found.boot_mac).await?),
        Err(error) => Err(error),
    };
    notes.unlisted(found.boot_mac);
    if written.is_err() {
        notes.unwritten(host);
    }
    written
}

/// Writes that nobody can tell a machine from these hosts, where that is news.
async fn doubt(context: &Context, hosts: &[ObjectId], why: &str) -> Result<(), Error> {
    let now = underlay_core::clock::now();
    let notes = &context.ports.register.notes;
    for host in hosts {
        if notes.doubts(*host, why, now) == News::None {
            continue;
        }
        tracing::warn!(%host, why, "a machine reports that cannot be told from a host");
        let written =
            observe(context, *host, Source::Resemblance, Body::Resembles { why: why.to_owned() }).await;
        if written.is_err() {
            notes.unwritten(*host);
        }
        written?;
    }
    Ok(())
}

/// A machine is a host's beyond doubt: what was written otherwise is over.
async fn settle(context: &Context, host: ObjectId) -> Result<(), Error> {
    if context.ports.register.notes.settled(host) {
        observe(context, host, Source::Resemblance, Body::Distinct).await?;
    }
    Ok(())
}

/// Writes what a machine without a host is, where that is news.
async fn list(context: &Context, found: &Found) -> Result<Fate, Error> {
    let at = underlay_core::clock::now();
    let notes = &context.ports.register.notes;
    if notes.discovered(found.boot_mac, &found.digest, at) == News::None {
        return Ok(Fate::Wait);
    }
    let Found { boot_mac: mac, inventory, network, .. } = found;
    tracing::info!(%mac, serial = inventory.serial, "a machine nobody has enrolled reports");
    let network = network.as_ref().map(|key| key.name.as_str());
    let written = context.store.note_discovered(Seen { mac: *mac, network, at, inventory }).await;
    if written.is_err() {
        notes.unlisted(*mac);
    }
    written?;
    Ok(Fate::Wait)
}

/// Keeps an observation of a host; of one that is gone there is nothing to keep.
async fn observe(context: &Context, id: ObjectId, source: Source, body: Body) -> Result<(), Error> {
    let seen = Observation { id, source, at: underlay_core::clock::now(), body };
    match context.store.observe(&seen).await {
        Err(StoreError::NotFound { .. }) => Ok(()),
        other => Ok(other?),
    }
}

/// An agent redeemed the token of a host: nobody waits there any more.
pub(crate) async fn redeemed(context: &Context, host: ObjectId) -> Result<(), Error> {
    if context.ports.register.notes.left(host) {
        observe(context, host, Source::Waiting, Body::Left).await?;
    }
    Ok(())
}
