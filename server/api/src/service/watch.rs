//! Watch: a snapshot, then changes in commit order.
//!
//! The feed is read only as fast as the caller takes events, and the feed shows each object at its newest: a slow caller
//! misses intermediate states, costs no memory, and always gets the last one. A cursor that has expired, or that this
//! database never gave out, is answered with `resync`, and the stream ends.

use std::collections::BTreeMap;

use underlay_core::{Kind, ObjectId};
use underlay_proto::v1 as pb;
use underlay_store::{
    Error as StoreError, Filter, Record,
    feed::{Changes, Follow},
    hint::Topic,
};

use super::{
    find::{Sought, find_living},
    objects::{filter, spell},
    stream::{self, Events},
};
use crate::{context::Context, errors::Error, rules::Rules};

/// Events that wait for a slow caller.
const WAITING: usize = 32;
/// Changes read at once.
const BATCH: usize = 100;

/// A noun whose changes travel.
pub(super) trait Spelled: Rules {
    /// The message of its Watch.
    type Event: Send + 'static;

    /// The object as it is now.
    fn event(object: Self::Message) -> Self::Event;
    /// All that was there at the start has been sent.
    fn snapshot_complete() -> Self::Event;
    /// The cursor is too old.
    fn resync() -> Self::Event;
}

/// What a Watch is narrowed to.
struct Scope {
    object: Option<ObjectId>,
    filter: Filter,
}

impl Scope {
    fn has(&self, record: &Record) -> bool {
        let (key, filter) = (&record.raw.meta.key, &self.filter);
        filter.site.as_ref().is_none_or(|site| *site == key.site)
            && filter.owner.as_ref().is_none_or(|owner| *owner == key.owner)
            && has_labels(record, &filter.labels)
    }
}

fn has_labels(record: &Record, wanted: &BTreeMap<String, String>) -> bool {
    let labels = record.raw.spec.get("labels");
    wanted.iter().all(|(name, value)| {
        labels.and_then(|labels| labels.get(name)).and_then(|label| label.as_str()) == Some(value)
    })
}

/// Begins to watch.
pub(super) async fn watch<N: Spelled>(
    context: &Context,
    request: pb::WatchRequest,
) -> Result<Events<N::Event>, Error> {
    let object = match request.selector {
        Some(selector) => Some(find_living(context, N::KIND, &Sought::read(Some(selector))?).await?.id()),
        None => None,
    };
    if request.after_revision < 0 {
        return Err(Error::field("after_revision", "counts from 0"));
    }
    let scope = Scope { object, filter: filter(request.filter.unwrap_or_default())? };
    let after = request.after_revision;
    Ok(stream::spawn(context, WAITING, move |context, events| async move {
        follow::<N>(&context, &scope, after, &events).await
    }))
}

type Sender<N> = stream::Sender<<N as Spelled>::Event>;

async fn follow<N: Spelled>(
    context: &Context,
    scope: &Scope,
    after: i64,
    events: &Sender<N>,
) -> Result<(), Error> {
    let topic = scope.object.map_or(Topic::Kind(N::KIND), Topic::Object);
    let mut hint = context.store.hint_of(&[topic]);
    let mut cursor = after;
    if after == 0 {
        cursor = snapshot::<N>(context, scope, events).await?;
        send::<N>(events, N::snapshot_complete()).await;
    } else if after > context.store.head().await? {
        send::<N>(events, N::resync()).await;
        return Ok(());
    }
    loop {
        hint.mark_unchanged();
        let changes = match changes(context, N::KIND, scope, cursor).await {
            Err(StoreError::Expired { .. }) => {
                send::<N>(events, N::resync()).await;
                return Ok(());
            }
            changes => changes?,
        };
        let is_drained = changes.records.len() < BATCH;
        cursor = changes.cursor;
        for record in changes.records.into_iter().filter(|record| scope.has(record)) {
            send::<N>(events, N::event(spell::<N>(record)?)).await;
        }
        // The sender lives as long as the store, which this task holds.
        if is_drained && hint.changed().await.is_err() {
            return Ok(());
        }
    }
}

/// What changed since the cursor. One object is looked at itself: in the feed it would be looked for among all that
/// changed meanwhile.
async fn changes(context: &Context, kind: Kind, scope: &Scope, cursor: i64) -> Result<Changes, StoreError> {
    let Some(id) = scope.object else {
        let narrowed = Follow { kind: Some(kind), ..Follow::default() };
        return context.store.changes(cursor, narrowed, BATCH).await;
    };
    match context.store.get(id).await? {
        Some(record) if record.raw.meta.revision > cursor => {
            Ok(Changes { cursor: record.raw.meta.revision, records: vec![record] })
        }
        Some(_) => Ok(Changes { cursor, records: Vec::new() }),
        // Its tombstone was thrown away.
        None => Err(StoreError::Expired { horizon: cursor }),
    }
}

/// Sends everything there is; returns the cursor after which changes are to be read.
async fn snapshot<N: Spelled>(context: &Context, scope: &Scope, events: &Sender<N>) -> Result<i64, Error> {
    if let Some(id) = scope.object {
        let cursor = context.store.head().await?;
        if let Some(record) = context.store.get(id).await? {
            send::<N>(events, N::event(spell::<N>(record)?)).await;
        }
        return Ok(cursor);
    }
    let (mut after, mut cursor) = (None, None);
    loop {
        let page = context.store.list(N::KIND, &scope.filter, after, BATCH).await?;
        cursor.get_or_insert(page.revision);
        for record in page.records {
            send::<N>(events, N::event(spell::<N>(record)?)).await;
        }
        after = page.next;
        if after.is_none() {
            return Ok(cursor.unwrap_or_default());
        }
    }
}

/// Waits until the caller takes it. Where the caller is gone, the task is about to end.
async fn send<N: Spelled>(events: &Sender<N>, event: N::Event) {
    let _ = events.send(Ok(event)).await;
}
