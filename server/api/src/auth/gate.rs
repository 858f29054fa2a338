//! The check in front of every call: who calls, may they, a line for logs and counters, and one for the audit. Handlers find the
//! [`Caller`] in the request's extensions, and check the owner themselves, since only they know it.

use axum::{
    extract::{Request, State},
    http::{HeaderValue, header::AUTHORIZATION},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tonic::{Code, Status};
use tracing::{Instrument, field};
use underlay_store::audit::{Entry, Trail};
use uuid::Uuid;

use super::{Access, Caller, access, authenticate, is_mutating, record};
use crate::{
    context::Context,
    errors::Error,
    listen::{Peer, Transport},
};

/// Lets a call through, or answers in its place.
pub(crate) async fn gate(State(context): State<Context>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let needed = access(&path);
    let (service, method) = match needed {
        Some(_) => path.trim_start_matches('/').split_once('/').unwrap_or_default(),
        None => ("unknown", "unknown"),
    };
    let request_id = Uuid::new_v4().to_string();
    let trail = Trail::new(Entry {
        method: format!("{}/{method}", service.trim_start_matches("underlay.v1.")),
        request_id: request_id.clone(),
        ..Entry::default()
    });
    let span = tracing::info_span!(
        "rpc",
        service,
        method,
        request_id = %request_id,
        peer = field::Empty,
        caller = field::Empty,
    );
    let mut response = async {
        let peer = request.extensions().get::<Peer>().copied();
        let header = request.headers().get(AUTHORIZATION).cloned();
        match admit(&context, needed, peer, header, &trail).await {
            Ok(caller) => {
                if let Some(caller) = caller {
                    tracing::Span::current().record("caller", &caller.name);
                    request.extensions_mut().insert(caller);
                }
                next.run(request).await
            }
            Err(error) => {
                tracing::debug!(%error, "call refused");
                Status::from(error).into_http::<tonic::body::Body>().into_response()
            }
        }
    }
    .instrument(span)
    .await;
    context.metrics.count(service, method, code(&response));
    if is_mutating(&path) {
        record::record(&context, &trail, response.headers()).await;
    }
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("underlay-request-id", id);
    }
    response
}

async fn admit(
    context: &Context,
    needed: Option<Access>,
    peer: Option<Peer>,
    header: Option<HeaderValue>,
    trail: &Trail,
) -> Result<Option<Caller>, Error> {
    if let Some(peer) = peer {
        trail.note_who("nobody", &peer.to_string());
        tracing::Span::current().record("peer", field::display(peer));
    }
    match needed {
        None => Err(Error::Unsupported("there is no such call")),
        Some(Access::Public) => Ok(None),
        Some(Access::Agent) => match peer.and_then(|peer| peer.agent) {
            Some(_) => Ok(None),
            None => Err(Error::Unauthenticated("this call needs the certificate that Redeem issues")),
        },
        Some(Access::Resident) => match peer.and_then(|peer| peer.resident) {
            Some(_) => Ok(None),
            None => Err(Error::Unauthenticated("this call needs the certificate that Adopt issues")),
        },
        Some(Access::Role(role)) => {
            let mut caller = caller(context, peer, header).await?;
            trail.note_who(&caller.who(), &peer.map(|peer| peer.to_string()).unwrap_or_default());
            caller.trail = trail.clone();
            if caller.role > role {
                let (name, has) = (&caller.name, caller.role);
                return Err(Error::Denied(format!(
                    "this call needs the role {role}; token \"{name}\" has {has}"
                )));
            }
            Ok(Some(caller))
        }
    }
}

async fn caller(context: &Context, peer: Option<Peer>, header: Option<HeaderValue>) -> Result<Caller, Error> {
    match header {
        Some(header) => authenticate(&context.store, header.to_str().unwrap_or_default()).await,
        None if peer.is_some_and(|peer| peer.transport == Transport::Unix) => {
            Ok(Caller::local(peer.and_then(|peer| peer.uid)))
        }
        None => Err(Error::Unauthenticated(
            "an API token is needed: set UNDERLAY_TOKEN; the first one is in the file admin.token in the server's \
             data directory",
        )),
    }
}

/// The status where it is known when the answer begins; a stream that fails later counts as begun.
fn code(response: &Response) -> Code {
    match response.headers().get("grpc-status") {
        Some(status) => Code::from_bytes(status.as_bytes()),
        None => Code::Ok,
    }
}
