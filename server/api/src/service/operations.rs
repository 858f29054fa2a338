//! Operations: what the server did and does, step by step, for objects of any kind.

use std::collections::BTreeMap;

use tonic::{Request, Response, Status};
use underlay_core::{Key, Kind, ObjectId};
use underlay_proto::v1::{self as pb, operation_service_server::OperationService};
use underlay_store::{Record, hint::Topic};

use super::{
    caller::caller,
    cancel, explain,
    find::{Sought, find, find_living},
    logs,
    stream::{self, Events},
};
use crate::{
    context::Context,
    convert::{object, operation},
    errors::Error,
};

/// Operations listed where no number is asked for, and at most.
const LIST: (usize, usize) = (50, 1000);

/// The service of operations.
pub(crate) struct Operations {
    context: Context,
}

impl Operations {
    /// The service over what all share.
    pub(crate) fn new(context: Context) -> Self {
        Self { context }
    }

    async fn get_one(&self, id: &str) -> Result<pb::Operation, Error> {
        let id = id.parse().map_err(|_| Error::field("id", "is not a UUID"))?;
        let found = self.context.store.operation(id).await?;
        let found =
            found.ok_or_else(|| Error::field("id", "there is no such operation, or it was forgotten"))?;
        let record = self.context.store.get(found.object).await?;
        Ok(operation::operation(&found, record.as_ref().map(|record| &record.raw.meta.key)))
    }

    async fn list_newest(
        &self,
        request: pb::ListOperationsRequest,
    ) -> Result<pb::ListOperationsResponse, Error> {
        let (default, most) = LIST;
        let limit = match request.limit {
            0 => default,
            limit => usize::try_from(limit)
                .ok()
                .filter(|limit| *limit <= most)
                .ok_or_else(|| Error::field("limit", format!("use 1 to {most}")))?,
        };
        let object = match request.object {
            Some(reference) => Some(any(&self.context, reference).await?.id()),
            None => None,
        };
        let mut keys: BTreeMap<ObjectId, Option<Key>> = BTreeMap::new();
        let mut operations = Vec::new();
        for listed in self.context.store.operations(object, limit).await? {
            if let std::collections::btree_map::Entry::Vacant(entry) = keys.entry(listed.object) {
                entry.insert(self.context.store.get(listed.object).await?.map(|record| record.raw.meta.key));
            }
            // Steps are shown where one object is asked for; over all objects they would be too many.
            let listed = match object {
                Some(_) => self.context.store.operation(listed.id).await?.unwrap_or(listed),
                None => listed,
            };
            let key = keys.get(&listed.object).and_then(Option::as_ref);
            operations.push(operation::operation(&listed, key));
        }
        Ok(pb::ListOperationsResponse { operations })
    }

    async fn follow(&self, request: pb::WatchOperationsRequest) -> Result<Events<pb::OperationEvent>, Error> {
        let reference = request.object.ok_or_else(|| Error::field("object", "say which object is meant"))?;
        let id = any(&self.context, reference).await?.id();
        let until_settled = request.until_settled;
        Ok(stream::spawn(&self.context, 8, move |context, events| async move {
            follow(&context, id, until_settled, &events).await
        }))
    }
}

/// The object of any kind that is meant, or its tombstone.
pub(super) async fn any(context: &Context, reference: pb::ObjectRef) -> Result<Record, Error> {
    let kind: Kind = reference
        .kind
        .parse()
        .map_err(|error: underlay_core::id::UnknownKind| Error::field("object.kind", error.to_string()))?;
    let sought = Sought::read(reference.selector)?;
    match find(context, kind, &sought).await? {
        Some(record) => Ok(record),
        None => find_living(context, kind, &sought).await,
    }
}

async fn follow(
    context: &Context,
    id: ObjectId,
    until_settled: bool,
    events: &stream::Sender<pb::OperationEvent>,
) -> Result<(), Error> {
    let mut hint = context.store.hint_of(&[Topic::Object(id)]);
    let mut seen = -1;
    loop {
        hint.mark_unchanged();
        let Some(record) = context.store.get(id).await? else { return Ok(()) };
        if record.raw.meta.revision != seen {
            seen = record.raw.meta.revision;
            if events.send(Ok(event(context, &record).await?)).await.is_err() {
                return Ok(());
            }
        }
        if record.raw.meta.purged_at.is_some() || (until_settled && record.is_at_rest()) {
            return Ok(());
        }
        if hint.changed().await.is_err() {
            return Ok(());
        }
    }
}

async fn event(context: &Context, record: &Record) -> Result<pb::OperationEvent, Error> {
    let newest = context.store.operations(Some(record.id()), 1).await?.pop();
    let newest = match newest {
        Some(newest) => context.store.operation(newest.id).await?,
        None => None,
    };
    Ok(pb::OperationEvent {
        operation: newest.map(|newest| operation::operation(&newest, Some(&record.raw.meta.key))),
        meta: Some(object::meta(&record.raw.meta)),
        standing: Some(operation::standing(record)),
    })
}

#[tonic::async_trait]
impl OperationService for Operations {
    type WatchStream = Events<pb::OperationEvent>;

    async fn get(
        &self,
        request: Request<pb::GetOperationRequest>,
    ) -> Result<Response<pb::Operation>, Status> {
        Ok(Response::new(self.get_one(&request.into_inner().id).await?))
    }

    async fn list(
        &self,
        request: Request<pb::ListOperationsRequest>,
    ) -> Result<Response<pb::ListOperationsResponse>, Status> {
        Ok(Response::new(self.list_newest(request.into_inner()).await?))
    }

    async fn watch(
        &self,
        request: Request<pb::WatchOperationsRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(self.follow(request.into_inner()).await?))
    }

    async fn cancel(
        &self,
        request: Request<pb::CancelOperationRequest>,
    ) -> Result<Response<pb::Operation>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(cancel::cancel(&self.context, &caller, request.into_inner()).await?))
    }

    async fn logs(&self, request: Request<pb::LogsRequest>) -> Result<Response<pb::LogsResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(logs::logs(&self.context, &caller, request.into_inner()).await?))
    }

    async fn explain(
        &self,
        request: Request<pb::ExplainRequest>,
    ) -> Result<Response<pb::Explanation>, Status> {
        let request = request.into_inner();
        let reference = request.object.ok_or_else(|| Error::field("object", "say which object is meant"))?;
        let record = any(&self.context, reference).await?;
        Ok(Response::new(explain::explain(&self.context, &record, request.values).await?))
    }
}
