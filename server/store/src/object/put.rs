//! Put: create, adopt or update an object, in one transaction with its references, secrets, operation and queue row.
//!
//! A Create adopts an object that exists only within its owner (the owner is in the key) and only while its incarnation
//! was never confirmed; it mints a new incarnation, so that whoever holds the old one can no longer touch it.

use jiff::Timestamp;
use underlay_core::{
    Incarnation, Key, Kind, Meta, Noun, ObjectId, Reference, SecretString, Spec, Standing, State,
    view::RawObject,
};

use super::record::{Record, select_records};
use crate::{
    Error, Store, column, operation, operation::Verb, queue, reference, secret, sql, transaction::Write,
};

/// What a Put is meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// The caller knows of no such object.
    Create,
    /// There must be none, not even one that nobody has confirmed: nobody asked for this one by its name.
    Found,
    /// The caller has the object of this incarnation in its state.
    Update {
        /// The incarnation in the caller's state.
        incarnation: Incarnation,
    },
}

/// Should work begin again even where the spec is the same?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retry {
    /// Only where the spec differs.
    #[default]
    OnChange,
    /// In any case.
    Always,
}

/// One Put.
#[derive(Clone, Debug)]
pub struct PutRequest {
    /// The kind.
    pub kind: Kind,
    /// The key.
    pub key: Key,
    /// The spec as JSON.
    pub spec: serde_json::Value,
    /// What the spec mentions.
    pub references: Vec<Reference>,
    /// Chosen by the caller for each attempt to change something; a repeat of the newest one changes nothing. May be empty.
    pub request_id: String,
    /// What it is meant to be.
    pub intent: Intent,
    /// Refuse where the object is at another generation.
    pub expected_generation: Option<i64>,
    /// Should work begin again even where the spec is the same?
    pub retry: Retry,
    /// Secrets to seal; those not named stay as they are.
    pub secrets: Vec<(String, SecretString)>,
    /// What an operation that this starts on an existing object is called.
    pub verb: Verb,
    state: serde_json::Value,
    status: serde_json::Value,
    phase: &'static str,
    is_settled: bool,
}

/// What a Put did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// The object is new.
    Created,
    /// It existed, unconfirmed, and is now the caller's.
    Adopted,
    /// Its spec changed, or work begins again.
    Updated,
    /// Nothing changed.
    Unchanged,
}

/// An object after a Put.
#[derive(Clone, Debug)]
pub struct Put {
    /// The object.
    pub record: Record,
    /// What was done.
    pub outcome: PutOutcome,
}

impl PutRequest {
    /// A Put of `spec` under `key`; the other fields are at their defaults.
    ///
    /// # Errors
    /// [`Error::Decode`] where the spec cannot be written as JSON.
    pub fn new<N: Noun>(key: Key, spec: &N::Spec, intent: Intent) -> Result<Self, Error> {
        let failed = |source| Error::Decode { what: format!("{} {key}", N::KIND), source: Box::new(source) };
        let state = N::State::default();
        Ok(Self {
            kind: N::KIND,
            spec: serde_json::to_value(spec).map_err(failed)?,
            references: spec.references(),
            request_id: String::new(),
            intent,
            expected_generation: None,
            retry: Retry::default(),
            secrets: Vec::new(),
            verb: Verb::Update,
            state: serde_json::to_value(&state).map_err(failed)?,
            status: serde_json::to_value(N::Status::default()).map_err(failed)?,
            phase: state.phase(),
            is_settled: state.is_settled(),
            key,
        })
    }
}

impl Store {
    /// Creates, adopts or updates an object.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`], [`Error::NotFound`], [`Error::Stale`], [`Error::Deleting`], [`Error::Moved`], or the
    /// database fails. Nothing is written then.
    pub async fn put(&self, request: PutRequest) -> Result<Put, Error> {
        let now = self.now();
        let mut write = self.write_ordered().await?;
        let found = find(&mut write, &request).await?;
        let (id, outcome) = match found {
            None => (create(&mut write, &request, now).await?, PutOutcome::Created),
            Some(found) => {
                let outcome = change(&mut write, &request, &found, now).await?;
                (found.id(), outcome)
            }
        };
        secret::put(&mut write, id, &request.secrets).await?;
        let record = Record::find(write.connection(), id).await?;
        write.commit().await?;
        let record = record.ok_or(Error::NotFound { kind: request.kind, name: id.to_string() })?;
        Ok(Put { record, outcome })
    }
}

async fn find(write: &mut Write<'_>, request: &PutRequest) -> Result<Option<Record>, Error> {
    let row = sql::query(select_records!(
        "WHERE o.kind = $1 AND o.site = $2 AND o.owner = $3 AND o.name = $4 AND o.purged_at IS NULL"
    ))
    .bind(request.kind.as_str())
    .bind(request.key.site.as_str())
    .bind(request.key.owner.as_str())
    .bind(request.key.name.as_str())
    .fetch_optional(write.connection())
    .await
    .map_err(Error::doing("reading the object to put"))?;
    row.as_ref().map(Record::read).transpose()
}

/// Creates the object, and adopts none that is there.
pub(crate) async fn create_only(
    write: &mut Write<'_>,
    request: &PutRequest,
    now: Timestamp,
) -> Result<ObjectId, Error> {
    if let Some(found) = find(write, request).await? {
        let (kind, key) = (request.kind, request.key.clone());
        return Err(match found.raw.meta.deleted_at {
            Some(_) => Error::Deleting { kind, key },
            None => Error::AlreadyExists { kind, key, id: found.id() },
        });
    }
    create(write, request, now).await
}

async fn create(write: &mut Write<'_>, request: &PutRequest, now: Timestamp) -> Result<ObjectId, Error> {
    if matches!(request.intent, Intent::Update { .. }) {
        return Err(Error::NotFound { kind: request.kind, name: request.key.to_string() });
    }
    let id = ObjectId::new();
    write.touch_object(request.kind, id);
    let record = fresh(request, id, now, write.revision());
    insert(write, request, &record).await?;
    reference::replace(write, id, &request.key, &request.references).await?;
    queue::add(write, id, request.kind, now).await?;
    let run = operation::Start { object: id, kind: request.kind, verb: Verb::Create, generation: 1 };
    operation::start(write, run, request.phase, now).await?;
    reference::wake_dependents(write, request.kind, &request.key, now).await?;
    Ok(id)
}

fn fresh(request: &PutRequest, id: ObjectId, now: Timestamp, revision: i64) -> RawObject {
    RawObject {
        meta: Meta {
            kind: request.kind,
            id,
            key: request.key.clone(),
            incarnation: Incarnation::new(),
            confirmed: false,
            generation: 1,
            observed_generation: 0,
            revision,
            created_at: now,
            deleted_at: None,
            purged_at: None,
        },
        spec: request.spec.clone(),
        state: request.state.clone(),
        status: request.status.clone(),
        progress: Standing {
            since: now,
            evidence_at: now,
            waiting_for: None,
            amount: None,
            next_run_at: None,
            failure: None,
            held: None,
            decided_at: String::new(),
            attempts: 0,
        },
    }
}

async fn insert(write: &mut Write<'_>, request: &PutRequest, object: &RawObject) -> Result<(), Error> {
    let meta = &object.meta;
    sql::query(
        "INSERT INTO object (id, kind, site, owner, name, incarnation, confirmed, request_id, spec, state, status, \
         standing, phase, settled, generation, observed_generation, revision, version, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, $9, $10, $11, $12, $13, 1, 0, $14, 1, $15)",
    )
    .bind(meta.id.to_string())
    .bind(meta.kind.as_str())
    .bind(meta.key.site.as_str())
    .bind(meta.key.owner.as_str())
    .bind(meta.key.name.as_str())
    .bind(meta.incarnation.to_string())
    .bind(&request.request_id)
    .bind(object.spec.to_string())
    .bind(object.state.to_string())
    .bind(object.status.to_string())
    .bind(column::json("standing", &object.progress)?)
    .bind(request.phase)
    .bind(i64::from(request.is_settled))
    .bind(meta.revision)
    .bind(column::micros(meta.created_at))
    .execute(write.connection())
    .await
    .map_err(Error::doing("inserting an object"))?;
    Ok(())
}

/// Adopts or updates what was found.
async fn change(
    write: &mut Write<'_>,
    request: &PutRequest,
    found: &Record,
    now: Timestamp,
) -> Result<PutOutcome, Error> {
    let meta = &found.raw.meta;
    if meta.deleted_at.is_some() {
        return Err(Error::Deleting { kind: meta.kind, key: meta.key.clone() });
    }
    let same_spec = found.raw.spec == request.spec;
    let is_repeat = !request.request_id.is_empty() && request.request_id == found.request_id && same_spec;
    let (incarnation, adopted) = match request.intent {
        Intent::Create if is_repeat => return Ok(PutOutcome::Unchanged),
        Intent::Found => {
            return Err(Error::AlreadyExists { kind: meta.kind, key: meta.key.clone(), id: meta.id });
        }
        Intent::Create if meta.confirmed => {
            return Err(Error::AlreadyExists { kind: meta.kind, key: meta.key.clone(), id: meta.id });
        }
        Intent::Create => (Incarnation::new(), true),
        Intent::Update { incarnation } if incarnation == meta.incarnation => (incarnation, false),
        Intent::Update { .. } => return Err(Error::Stale { kind: meta.kind, key: meta.key.clone() }),
    };
    if is_repeat {
        return Ok(PutOutcome::Unchanged);
    }
    if let Some(expected) = request.expected_generation.filter(|expected| *expected != meta.generation) {
        let (kind, key, found) = (meta.kind, meta.key.clone(), meta.generation);
        return Err(Error::Moved { kind, key, expected, found });
    }
    let renews = !same_spec || request.retry == Retry::Always;
    update(write, request, found, incarnation, Renewal { renews, adopted }, now).await?;
    if renews {
        renew(write, request, found, now).await?;
    }
    Ok(match (adopted, renews) {
        (true, _) => PutOutcome::Adopted,
        (false, true) => PutOutcome::Updated,
        (false, false) => PutOutcome::Unchanged,
    })
}

#[derive(Clone, Copy)]
struct Renewal {
    renews: bool,
    adopted: bool,
}

async fn update(
    write: &mut Write<'_>,
    request: &PutRequest,
    found: &Record,
    incarnation: Incarnation,
    renewal: Renewal,
    now: Timestamp,
) -> Result<(), Error> {
    write.touch_object(request.kind, found.id());
    let mut progress = found.raw.progress.clone();
    if renewal.renews {
        progress.evidence_at = now;
        progress.failure = None;
        progress.attempts = 0;
    }
    sql::query(
        "UPDATE object SET incarnation = $2, confirmed = $3, request_id = $4, spec = $5, standing = $6, \
         generation = generation + $7, version = version + 1, revision = $8 WHERE id = $1",
    )
    .bind(found.id().to_string())
    .bind(incarnation.to_string())
    .bind(i64::from(!renewal.adopted))
    .bind(&request.request_id)
    .bind(request.spec.to_string())
    .bind(column::json("standing", &progress)?)
    .bind(i64::from(renewal.renews))
    .bind(write.revision())
    .execute(write.connection())
    .await
    .map_err(Error::doing("updating an object"))?;
    Ok(())
}

/// What follows from a new generation.
async fn renew(
    write: &mut Write<'_>,
    request: &PutRequest,
    found: &Record,
    now: Timestamp,
) -> Result<(), Error> {
    let meta = &found.raw.meta;
    reference::replace(write, meta.id, &meta.key, &request.references).await?;
    queue::kick(write, meta.id, now).await?;
    let generation = meta.generation + 1;
    let run = operation::Start { object: meta.id, kind: meta.kind, verb: request.verb, generation };
    operation::start(write, run, &found.phase, now).await?;
    reference::wake_dependents(write, meta.kind, &meta.key, now).await
}
