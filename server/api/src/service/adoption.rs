//! Adoption: a machine that is installed already becomes a host, or its agent is attached to the host that it is.
//!
//! Nobody is there to ask, so what is not clear is refused by name: a box that is half another, a name that is taken, a host
//! of somebody else. Invariant: an adoption makes a host or attaches to one, and changes none; which host a key lives on is in
//! the store alone, so a host that was forgotten stays forgotten for the agent that lived there.

use underlay_core::{
    ErrorKind, Failure, Kind, Name, Object, Spec as _,
    agent::Inventory,
    boot,
    host::{Boot, Driver, Host, OnDestroy, Spec},
    identity,
    resident::System,
};
use underlay_proto::v1 as pb;
use underlay_store::{
    Error as StoreError, Filter, Intent, PutRequest,
    adoption::{Adopted, Home, Newcomer, Terms},
    audit::{Entry, Trail},
};

use crate::{context::Context, convert::inventory, errors::Error, listen::Peer, tls};

/// The longest token that is looked up, in bytes.
const TOKEN: usize = 256;
/// A certificate is renewed when this part of its life is over.
const RENEW: u32 = 7;

/// Lets an agent live on a host, or renews the certificate of one that does.
pub(super) async fn adopt(
    context: &Context,
    peer: Peer,
    request: pb::AdoptRequest,
) -> Result<pb::AdoptResponse, Error> {
    // Before the token is spent: a request that cannot be signed must not use it up.
    let signing = context.authority.check(&request.csr)?;
    let found = inventory::inventory(request.inventory.unwrap_or_default())?;
    let system = inventory::system(request.system.unwrap_or_default())?;
    if let Some(host) = context.store.home(signing.fingerprint()).await? {
        return answer(context, &signing, host).await;
    }
    if request.token.is_empty() {
        return Err(forgotten());
    }
    let key = signing.fingerprint();
    let digest = boot::digest(&request.token);
    let now = underlay_core::clock::now();
    let terms = match request.token.len() {
        0..=TOKEN => context.store.adoption(&digest, now).await?,
        _ => None,
    };
    let Some(terms) = terms else { return Err(refused(peer, key)) };
    let home = place(context, &terms, &found, &system).await?;
    let trail = trail(&terms, peer, &home);
    let name = box_name(&found);
    let who = Newcomer { token: &digest, key, box_: name.as_deref() };
    let adopted = context.store.on_record(&trail).adopt(&who, home, &terms).await;
    let host = match adopted {
        Ok(Adopted::Home(host)) => {
            tracing::info!(%host, key, peer = %peer, hostname = system.hostname, "a machine was adopted");
            host
        }
        Ok(Adopted::Again(host)) => host,
        Ok(Adopted::Void) => return Err(refused(peer, key)),
        Ok(Adopted::Occupied(host)) => return Err(occupied(context, &terms, host).await?),
        Err(StoreError::AlreadyExists { key, .. }) => return Err(taken(&key.name)),
        Err(error) => return Err(error.into()),
    };
    answer(context, &signing, host).await
}

async fn answer(
    context: &Context,
    signing: &tls::Request,
    host: underlay_core::ObjectId,
) -> Result<pb::AdoptResponse, Error> {
    let record = context.store.get(host).await?.filter(|record| record.raw.meta.purged_at.is_none());
    let record = record.ok_or_else(forgotten)?;
    let (certificate, life) = context.authority.resident(signing, host)?;
    Ok(pb::AdoptResponse {
        certificate: certificate.to_vec(),
        host_id: host.to_string(),
        host_name: record.raw.meta.key.name.to_string(),
        renew_seconds: u32::try_from((life / RENEW).as_secs()).unwrap_or(u32::MAX),
    })
}

/// Nobody lives there with that key: it was forgotten, or never was.
pub(super) fn forgotten() -> Error {
    Error::Denied(
        "this server knows no host with this agent: it was forgotten; to adopt it anew: underlay adopt"
            .into(),
    )
}

/// One answer for all: whoever guesses learns nothing.
fn refused(peer: Peer, key: &str) -> Error {
    tracing::warn!(key, peer = %peer, "refused an enrolment token");
    Error::Denied(
        "the enrolment token is not valid: unknown, used up or expired; for a new one: underlay adopt".into(),
    )
}

/// Which host the machine is, or is to be.
async fn place(context: &Context, terms: &Terms, found: &Inventory, system: &System) -> Result<Home, Error> {
    if let Some(again) = terms.again {
        let record = context.store.get(again).await?.filter(|record| record.raw.meta.purged_at.is_none());
        let host = record.ok_or_else(forgotten)?.raw.decode::<Host>()?;
        return match identity::likeness(&host, found).other {
            0 => Ok(Home::Known(again)),
            _ => Err(unclear(terms, &host, "this machine is another box than that host")),
        };
    }
    let mut alike = like(context, found).await?;
    let Some((host, likeness)) = alike.pop() else {
        return Ok(Home::New(Box::new(fresh(terms, found, system)?)));
    };
    if !alike.is_empty() {
        let others = alike.iter().map(|(other, _)| which(terms, other)).collect::<Vec<_>>().join(", ");
        return Err(unclear(terms, &host, &format!("it has something of {others} too")));
    }
    if likeness.other > 0 {
        return Err(unclear(terms, &host, "this machine is like that host in part only"));
    }
    let key = &host.meta.key;
    if key.site != terms.site || key.owner != terms.owner || host.spec.pool != terms.pool {
        let why = "this machine is that host already, and the token is for another site, owner or pool";
        return Err(unclear(terms, &host, why));
    }
    if terms.name.as_ref().is_some_and(|name| *name != key.name) {
        return Err(unclear(terms, &host, "this machine is that host already, and the token names another"));
    }
    Ok(Home::Known(host.meta.id))
}

/// Every host that has something in common with the machine.
async fn like(
    context: &Context,
    found: &Inventory,
) -> Result<Vec<(Object<Host>, identity::Likeness)>, Error> {
    let (mut alike, mut after) = (Vec::new(), None);
    loop {
        let page = context.store.list(Kind::Host, &Filter::default(), after, 500).await?;
        for record in page.records {
            let host = record.raw.decode::<Host>()?;
            let likeness = identity::likeness(&host, found);
            if likeness.same > 0 {
                alike.push((host, likeness));
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(alike);
        }
    }
}

/// The host that the machine becomes: protected, switched by nobody, and only ever forgotten.
fn fresh(terms: &Terms, found: &Inventory, system: &System) -> Result<PutRequest, Error> {
    let name = terms.name.clone().or_else(|| host_name(&system.hostname)).ok_or_else(|| {
        Error::Precondition(Box::new(Failure::new(
            ErrorKind::Invalid,
            "adopting a machine",
            format!("it calls itself {:?}, which makes no name for a host", system.hostname),
            "nothing was changed",
            "Name it: underlay adopt NAME",
        )))
    })?;
    let spec = Spec {
        pool: terms.pool.clone(),
        labels: terms.labels.clone(),
        identity: identity::of(found),
        boot: Boot::default(),
        driver: Driver::None,
        protected: true,
        on_destroy: OnDestroy::Forget,
    };
    spec.validate()?;
    let key = underlay_core::Key { site: terms.site.clone(), owner: terms.owner.clone(), name };
    Ok(PutRequest::new::<Host>(key, &spec, Intent::Create)?)
}

/// The name a machine calls itself by, as a name.
fn host_name(hostname: &str) -> Option<Name> {
    let known = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '-' };
    let text: String = hostname.to_lowercase().chars().map(known).collect();
    let text = text.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let says_nothing = text.is_empty() || text.split('.').next() == Some("localhost");
    if says_nothing { None } else { text.parse().ok() }
}

/// What no two boxes have in common, in a word.
fn box_name(found: &Inventory) -> Option<String> {
    let identity = identity::of(found);
    let vendor = found.vendor.as_deref().unwrap_or_default();
    identity
        .uuid
        .map(|uuid| format!("uuid {uuid}"))
        .or_else(|| identity.serial.map(|serial| format!("serial {vendor} {serial}")))
        .or_else(|| identity.boot_mac.map(|mac| format!("mac {mac}")))
}

fn trail(terms: &Terms, peer: Peer, home: &Home) -> Trail {
    let trail = Trail::new(Entry { method: "AgentService/Adopt".into(), ..Entry::default() });
    trail.note_who(&format!("a token of {}", terms.by), &peer.to_string());
    match home {
        Home::New(request) => {
            trail.note_object(format_args!("host {}", request.key));
            trail.note_detail("adopts a machine as a new host");
        }
        Home::Known(host) => {
            trail.note_object(format_args!("host {host}"));
            trail.note_detail("attaches an agent to the host");
        }
    }
    trail
}

fn failed(why: String, next: String) -> Error {
    let what = "adopting a machine";
    Error::Precondition(Box::new(Failure::new(ErrorKind::Invalid, what, why, "nothing was changed", next)))
}

/// Names a host only to whom it belongs.
fn which(terms: &Terms, host: &Object<Host>) -> String {
    let key = &host.meta.key;
    let is_theirs = key.owner == terms.owner && key.site == terms.site;
    if is_theirs { format!("host {}", key.name) } else { "a host of another owner or site".into() }
}

fn unclear(terms: &Terms, host: &Object<Host>, why: &str) -> Error {
    let which = which(terms, host);
    failed(
        format!("there is {which} with the serial number, UUID or a NIC of this machine, and {why}"),
        "Correct the identity of that host, or delete it; a clone needs a UUID and serial number of its own"
            .into(),
    )
}

async fn occupied(context: &Context, terms: &Terms, host: underlay_core::ObjectId) -> Result<Error, Error> {
    let record = context.store.get(host).await?;
    let Some(record) =
        record.filter(|it| it.raw.meta.key.owner == terms.owner && it.raw.meta.key.site == terms.site)
    else {
        return Ok(failed(
            "another agent lives on this box already, for another owner or site".into(),
            "Ask that owner to destroy the host first".into(),
        ));
    };
    let name = record.raw.meta.key.name;
    Ok(failed(
        format!("another agent lives on host {name} already, which is this box"),
        format!(
            "If its system was installed anew: underlay adopt {name} --again; a clone needs a UUID of its own"
        ),
    ))
}

fn taken(name: &Name) -> Error {
    failed(
        format!("there is a host {name} already, and nothing says that it is this machine"),
        format!(
            "Name this one otherwise: underlay adopt OTHER-NAME; or, where it is that host: underlay adopt {name} --again"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_calls_itself_becomes_a_name_where_it_can() {
        let name = |text: &str| host_name(text).map(|name| name.to_string());
        assert_eq!(name("DB-1.Example.org").as_deref(), Some("db-1.example.org"));
        assert_eq!(name("büro pc_3!").as_deref(), Some("b-ro-pc_3"));
        for nothing in ["", "localhost", "localhost.localdomain", "---", &"x".repeat(300)] {
            assert_eq!(name(nothing), None, "{nothing}");
        }
    }
}
