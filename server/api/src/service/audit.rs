//! Reading and checking the audit.

use jiff::Timestamp;
use tonic::{Request, Response, Status};
use underlay_core::Kind;
use underlay_proto::v1::{self as pb, audit_service_server::AuditService, selector::By};
use underlay_store::audit::{Query, Row};

use crate::{context::Context, convert::object, errors::Error};

/// Rows of a page where no number is asked for, and at most.
const PAGE: (usize, usize) = (100, 1000);

/// The service of the audit.
pub(crate) struct Audit {
    context: Context,
}

impl Audit {
    /// The service over what all share.
    pub(crate) fn new(context: Context) -> Self {
        Self { context }
    }

    async fn page(&self, request: pb::ListAuditRequest) -> Result<pb::ListAuditResponse, Error> {
        let (default, most) = PAGE;
        let size = match request.page_size {
            0 => default,
            size => usize::try_from(size)
                .ok()
                .filter(|size| *size <= most)
                .ok_or_else(|| Error::field("page_size", format!("use 1 to {most}")))?,
        };
        let since = request.since.map(|at| {
            Timestamp::new(at.seconds, at.nanos).map_err(|_| Error::field("since", "is not a point in time"))
        });
        let before = match request.page_token.as_str() {
            "" => None,
            token => Some(token.parse().map_err(|_| {
                Error::field("page_token", "is not one that a page gave; leave it out to start over")
            })?),
        };
        let query = Query {
            since: since.transpose()?,
            object: request.object.map(|named| self.named(named)).transpose()?,
            who: Some(request.who).filter(|who| !who.is_empty()),
            before,
        };
        let rows = self.context.store.audit(&query, size).await?;
        let next = rows.last().filter(|row| rows.len() == size && row.seq > 1);
        let next_page_token = next.map(|row| row.seq.to_string()).unwrap_or_default();
        Ok(pb::ListAuditResponse { rows: rows.iter().map(message).collect(), next_page_token })
    }

    /// What the audit calls an object. It is not looked for: it may be long gone.
    fn named(&self, reference: pb::ObjectRef) -> Result<String, Error> {
        let kind: Kind = reference.kind.parse().map_err(|error: underlay_core::id::UnknownKind| {
            Error::field("object.kind", error.to_string())
        })?;
        match reference.selector.and_then(|selector| selector.by) {
            Some(By::Key(key)) => Ok(format!("{kind} {}", object::key(Some(key))?)),
            _ => Err(Error::field("object.selector", "the audit knows objects by their key")),
        }
    }
}

fn message(row: &Row) -> pb::AuditRow {
    let entry = row.entry.clone();
    pb::AuditRow {
        seq: row.seq,
        at: Some(object::timestamp(row.at)),
        who: entry.who,
        via: entry.via,
        method: entry.method,
        object: entry.object,
        request_id: entry.request_id,
        outcome: entry.outcome,
        detail: entry.detail,
        digest: row.digest.clone(),
    }
}

#[tonic::async_trait]
impl AuditService for Audit {
    async fn list(
        &self,
        request: Request<pb::ListAuditRequest>,
    ) -> Result<Response<pb::ListAuditResponse>, Status> {
        Ok(Response::new(self.page(request.into_inner()).await?))
    }

    async fn verify(
        &self,
        _: Request<pb::VerifyAuditRequest>,
    ) -> Result<Response<pb::VerifyAuditResponse>, Status> {
        let verdict = self.context.store.verify_audit().await.map_err(Error::from)?;
        Ok(Response::new(pb::VerifyAuditResponse {
            rows: verdict.rows,
            first: verdict.first,
            last: verdict.last,
            head: verdict.head,
            fault: verdict.fault.unwrap_or_default(),
        }))
    }
}
