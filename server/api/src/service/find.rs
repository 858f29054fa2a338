//! Finds the object that a selector means, tombstones included where it is asked for by id.

use underlay_core::{Kind, Mac, Object, ObjectId, host::Host};
use underlay_proto::v1::{self as pb, selector::By};
use underlay_store::{Filter, Record};
use uuid::Uuid;

use crate::{context::Context, convert::object, errors::Error};

/// How an object was asked for, read.
pub(super) enum Sought {
    Id(ObjectId),
    Key(underlay_core::Key),
    Mac(Mac),
    Serial(String),
    Uuid(Uuid),
}

impl Sought {
    /// Reads a selector.
    pub(super) fn read(selector: Option<pb::Selector>) -> Result<Self, Error> {
        match selector.and_then(|selector| selector.by) {
            Some(By::Id(id)) => {
                id.parse().map(Sought::Id).map_err(|_| Error::field("selector.id", "is not a UUID"))
            }
            Some(By::Key(key)) => Ok(Sought::Key(object::key(Some(key))?)),
            Some(By::Mac(mac)) => {
                mac.parse().map(Sought::Mac).map_err(|error| Error::field("selector.mac", error_text(&error)))
            }
            Some(By::Serial(serial)) if !serial.is_empty() && serial.len() <= 256 => {
                Ok(Sought::Serial(serial))
            }
            Some(By::Serial(_)) => Err(Error::field("selector.serial", "must have 1 to 256 characters")),
            Some(By::Uuid(uuid)) => {
                uuid.parse().map(Sought::Uuid).map_err(|_| Error::field("selector.uuid", "is not a UUID"))
            }
            None => Err(Error::field("selector", "say who is asked for: id, key, mac, serial or uuid")),
        }
    }

    /// The id, where it was asked for by that.
    pub(super) fn id(&self) -> Option<ObjectId> {
        if let Sought::Id(id) = self { Some(*id) } else { None }
    }

    /// The same in words.
    pub(super) fn words(&self) -> String {
        match self {
            Sought::Id(id) => id.to_string(),
            Sought::Key(key) => key.to_string(),
            Sought::Mac(mac) => format!("with MAC {mac}"),
            Sought::Serial(serial) => format!("with serial number {serial}"),
            Sought::Uuid(uuid) => format!("with UUID {uuid}"),
        }
    }
}

fn error_text(error: &impl std::fmt::Display) -> String {
    error.to_string()
}

/// The object of that kind, or its tombstone.
pub(super) async fn find(context: &Context, kind: Kind, sought: &Sought) -> Result<Option<Record>, Error> {
    let store = &context.store;
    let found = match sought {
        Sought::Id(id) => store.get(*id).await?.filter(|record| record.raw.meta.kind == kind),
        Sought::Key(key) => store.get_by_key(kind, key).await?,
        Sought::Mac(_) | Sought::Serial(_) | Sought::Uuid(_) if kind != Kind::Host => {
            return Err(Error::field("selector", "only hosts are found by mac, serial or uuid"));
        }
        Sought::Mac(mac) => {
            find_host(context, sought, |host| {
                let inventory = host.status.inventory.as_ref();
                host.spec.identity.boot_mac == Some(*mac)
                    || host.status.boot_mac == Some(*mac)
                    || inventory.is_some_and(|it| it.nics.iter().any(|nic| nic.mac == *mac))
            })
            .await?
        }
        Sought::Serial(serial) => {
            find_host(context, sought, |host| {
                let found = host.status.inventory.as_ref().and_then(|inventory| inventory.serial.as_ref());
                host.spec.identity.serial.as_ref().or(found) == Some(serial)
            })
            .await?
        }
        Sought::Uuid(uuid) => {
            find_host(context, sought, |host| {
                let found = host.status.inventory.as_ref().and_then(|inventory| inventory.uuid.as_ref());
                host.spec.identity.uuid.or(found.and_then(|text| text.parse().ok())) == Some(*uuid)
            })
            .await?
        }
    };
    Ok(found)
}

/// The living object of that kind.
pub(super) async fn find_living(context: &Context, kind: Kind, sought: &Sought) -> Result<Record, Error> {
    let missing = |tombstone| Error::Missing { kind, name: sought.words(), tombstone };
    let record = find(context, kind, sought).await?.ok_or_else(|| missing(None))?;
    if record.raw.meta.purged_at.is_some() {
        return Err(missing(Some(Box::new(record.raw.meta))));
    }
    Ok(record)
}

/// The one host that matches; several are an error, since any choice between them would be a guess.
async fn find_host(
    context: &Context,
    sought: &Sought,
    matches: impl Fn(&Object<Host>) -> bool,
) -> Result<Option<Record>, Error> {
    let mut found: Option<Record> = None;
    let mut after = None;
    loop {
        let page = context.store.list(Kind::Host, &Filter::default(), after, 500).await?;
        for record in page.records {
            if !matches(&record.raw.clone().decode::<Host>()?) {
                continue;
            }
            if let Some(other) = &found {
                let (one, two) = (&other.raw.meta.key, &record.raw.meta.key);
                let message = format!("hosts {one} and {two} are both {}", sought.words());
                return Err(Error::field("selector", message));
            }
            found = Some(record);
        }
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}
