//! The calls that all nouns share, written once for any [`Rules`]: get, batch, list, delete. Put, Preview and Watch
//! have files of their own.

use std::marker::PhantomData;

use underlay_core::{Incarnation, ObjectId};
use underlay_proto::v1::{self as pb, delete_response::Outcome};
use underlay_store::{Deletion, Filter, Record};

use super::find::{Sought, find};
use crate::{
    auth::{Caller, Pools},
    context::Context,
    convert::{Faults, object},
    errors::Error,
    rules::Rules,
};

/// The most entries of a batch, and of a page.
const BATCH: usize = 1000;
/// The size of a page where none is asked for.
const PAGE: i32 = 100;

/// The service of one noun.
pub(crate) struct Objects<N> {
    pub(super) context: Context,
    noun: PhantomData<fn() -> N>,
}

impl<N: Rules> Objects<N> {
    /// The service over what all share.
    pub(crate) fn new(context: Context) -> Self {
        Self { context, noun: PhantomData }
    }

    pub(super) async fn get_one(
        &self,
        caller: &Caller,
        request: pb::GetRequest,
    ) -> Result<N::Message, Error> {
        let sought = Sought::read(request.selector)?;
        let found = find(&self.context, N::KIND, &sought).await?;
        self.hand_out(caller, &sought, found, &request.incarnation).await
    }

    /// What was found, to a caller who may hold an incarnation of it in a state, which confirms that one.
    async fn hand_out(
        &self,
        caller: &Caller,
        sought: &Sought,
        found: Option<Record>,
        held: &str,
    ) -> Result<N::Message, Error> {
        let missing = |tombstone| Error::Missing { kind: N::KIND, name: sought.words(), tombstone };
        let record = found.ok_or_else(|| missing(None))?;
        let meta = &record.raw.meta;
        let held = incarnation(held)?;
        // Gone for good, or created anew by somebody else: for this caller both mean that it is gone.
        if meta.purged_at.is_some() || held.is_some_and(|held| held != meta.incarnation) {
            return Err(missing(Some(Box::new(meta.clone()))));
        }
        if let Some(held) = held.filter(|_| !meta.confirmed && caller.may_write(&meta.key, &Pools::Untouched))
        {
            self.context.store.confirm(meta.id, held).await?;
        }
        spell::<N>(record)
    }

    pub(super) async fn get_many(
        &self,
        caller: &Caller,
        request: pb::BatchGetRequest,
    ) -> Result<Vec<Option<N::Message>>, Error> {
        if request.requests.len() > BATCH {
            return Err(Error::field("requests", format!("has more than {BATCH} entries")));
        }
        let mut wanted = Vec::with_capacity(request.requests.len());
        for one in request.requests {
            wanted.push((Sought::read(one.selector)?, one.incarnation));
        }
        let ids: Vec<_> = wanted.iter().filter_map(|(sought, _)| sought.id()).collect();
        let known = self.context.store.batch_get(&ids).await?;
        let mut entries = Vec::with_capacity(wanted.len());
        for (sought, held) in &wanted {
            let found = match sought.id() {
                Some(id) => known.get(&id).filter(|record| record.raw.meta.kind == N::KIND).cloned(),
                None => find(&self.context, N::KIND, sought).await?,
            };
            entries.push(match self.hand_out(caller, sought, found, held).await {
                Ok(message) => Some(message),
                Err(Error::Missing { .. }) => None,
                Err(error) => return Err(error),
            });
        }
        Ok(entries)
    }

    pub(super) async fn list_page(
        &self,
        request: pb::ListRequest,
    ) -> Result<(Vec<N::Message>, String), Error> {
        let after = match request.page_token.as_str() {
            "" => None,
            token => Some(token.parse::<ObjectId>().map_err(|_| {
                Error::field("page_token", "is not one that a page gave; leave it out to start over")
            })?),
        };
        let size = if request.page_size == 0 { PAGE } else { request.page_size };
        let size = usize::try_from(size).ok().filter(|size| *size <= BATCH);
        let size = size.ok_or_else(|| Error::field("page_size", format!("use 1 to {BATCH}")))?;
        let page = self.context.store.list(N::KIND, &filter(request)?, after, size).await?;
        let messages = page.records.into_iter().map(spell::<N>).collect::<Result<_, _>>()?;
        Ok((messages, page.next.map(|id| id.to_string()).unwrap_or_default()))
    }

    pub(super) async fn delete_one(
        &self,
        caller: &Caller,
        request: pb::DeleteRequest,
    ) -> Result<pb::DeleteResponse, Error> {
        let sought = Sought::read(request.selector)?;
        let held = incarnation(&request.incarnation)?.ok_or_else(|| {
            Error::field(
                "incarnation",
                "say which one is meant, so that no successor is deleted in its place",
            )
        })?;
        let answer = |outcome: Outcome, meta| pb::DeleteResponse { outcome: outcome.into(), meta };
        let Some(record) = find(&self.context, N::KIND, &sought).await? else {
            return Ok(answer(Outcome::Gone, None));
        };
        let meta = &record.raw.meta;
        caller.trail.note_object(format_args!("{} {}", N::KIND, meta.key));
        caller.must_write(&meta.key, &Pools::Untouched)?;
        let object = record.raw.clone().decode::<N>()?;
        caller.must_write(&meta.key, &N::pools(&self.context, &meta.key, None, Some(&object)).await?)?;
        let told = Some(object::meta(meta));
        if meta.purged_at.is_some() {
            return Ok(answer(Outcome::Gone, told));
        }
        if meta.incarnation != held {
            return Ok(answer(Outcome::Stale, told));
        }
        if meta.deleted_at.is_none()
            && let Some(failure) = N::keeps(&self.context, &object).await?
        {
            return Err(Error::Precondition(Box::new(failure)));
        }
        tracing::info!(kind = %N::KIND, key = %meta.key, id = %meta.id, caller = caller.name, "deleting an object");
        Ok(match self.context.store.on_record(&caller.trail).delete(meta.id, held).await? {
            Deletion::Wanted(record) => answer(Outcome::Deleting, Some(object::meta(&record.raw.meta))),
            Deletion::Stale => answer(Outcome::Stale, told),
            Deletion::Gone => answer(Outcome::Gone, told),
        })
    }
}

/// Reads a record as its noun and spells it.
pub(super) fn spell<N: Rules>(record: Record) -> Result<N::Message, Error> {
    Ok(N::message(&record.raw.decode::<N>()?))
}

/// The incarnation a caller holds; empty where it holds none.
pub(super) fn incarnation(text: &str) -> Result<Option<Incarnation>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Error::field("incarnation", "is not a UUID"))
}

/// What a list or a watch is narrowed to.
pub(super) fn filter(request: pb::ListRequest) -> Result<Filter, Error> {
    let mut faults = Faults::default();
    let filter = Filter {
        site: faults.parse_optional("site", &request.site),
        owner: faults.parse_optional("owner", &request.owner),
        labels: faults.map("labels", request.labels).into_iter().collect(),
    };
    Ok(faults.into_result(Some(filter))?)
}
