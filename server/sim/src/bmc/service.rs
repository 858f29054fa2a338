//! One request to one BMC: what faults make of it, whether it is authorised, and who answers it.

use std::sync::Arc;

use axum::{body::Body, response::Response};
use http::{Method, StatusCode};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    accounts, bios, chassis, events, manager, parts, reply::Reply, root, schemas, sessions, system, tasks,
    update,
};
use crate::{
    fault::{AccountFault, Misbehaviour},
    machine::Machine,
    rack::Rack,
};

/// The longest request that is read.
const LONGEST: usize = 64 << 10;

/// A request, as far as resources ask.
pub(super) struct Request<'a> {
    pub(super) rack: &'a Arc<Rack>,
    pub(super) machine: &'a Arc<Machine>,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Value,
    pub(super) if_match: Option<String>,
}

/// Answer a request.
pub(super) async fn answer(
    rack: &Arc<Rack>,
    machine: &Arc<Machine>,
    request: hyper::Request<Incoming>,
) -> Response {
    let number = {
        let mut state = machine.state();
        state.bmc.requests += 1;
        state.bmc.requests
    };
    let asks = request.method() != Method::GET && request.method() != Method::HEAD;
    let noted = asks.then(|| note(rack, machine, &request)).flatten();
    let answer = answer_noted(rack, machine, request, number).await;
    rack.asked.answered(noted, answer.status().as_u16());
    answer
}

/// A request for a change is kept in the rack's ledger; a login is none.
fn note(rack: &Rack, machine: &Machine, request: &hyper::Request<Incoming>) -> Option<usize> {
    let path = request.uri().path();
    let who = request.headers().get(http::header::USER_AGENT).and_then(|who| who.to_str().ok());
    let about_system = path.contains("/Systems/") || path.contains("/Managers/");
    about_system.then(|| {
        let what = format!("{} {path}", request.method());
        rack.asked.came(machine.name(), what, who.unwrap_or_default().chars().take(100).collect())
    })?
}

async fn answer_noted(
    rack: &Arc<Rack>,
    machine: &Arc<Machine>,
    request: hyper::Request<Incoming>,
    number: u64,
) -> Response {
    think(rack, machine, number).await;
    match rack.faults.bmc_misbehaves(machine, number) {
        None => {}
        Some(Misbehaviour::Hang) => std::future::pending().await,
        Some(Misbehaviour::Garbage) => return Response::new(Body::from("\u{0}{\"Members\": [")),
        Some(Misbehaviour::Error | Misbehaviour::InTurn) => {
            let text = "The request failed due to an internal service error.";
            return Reply::refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", text).into_response();
        }
    }
    let (head, body) = request.into_parts();
    let body = match axum::body::to_bytes(Body::new(body), LONGEST).await {
        Ok(body) if body.is_empty() => Value::Null,
        Ok(body) => match serde_json::from_slice(&body) {
            Ok(body) => body,
            Err(_) => return malformed().into_response(),
        },
        Err(_) => return malformed().into_response(),
    };
    // DSP0266, 6.4: 4.0 is the only version there is; 9.2: a collection's members are the collection.
    let version = head.headers.get("OData-Version").map(http::HeaderValue::as_bytes);
    if version.is_some_and(|version| version != b"4.0") {
        let text = "The OData-Version header was not 4.0.";
        return Reply::refuse(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", text).into_response();
    }
    let path = head.uri.path().trim_end_matches('/');
    let path =
        path.strip_suffix("/Members").filter(|_| head.method == Method::POST).unwrap_or(path).to_owned();
    let if_match =
        head.headers.get(http::header::IF_MATCH).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
    let request = Request { rack, machine, method: head.method, path, body, if_match };
    let open = matches!(
        (&request.method, request.path.as_str()),
        (
            &Method::GET | &Method::HEAD,
            "/redfish" | "/redfish/v1" | "/redfish/v1/odata" | "/redfish/v1/$metadata"
        ) | (&Method::POST, "/redfish/v1/SessionService/Sessions" | "/redfish/v1/Sessions")
    );
    let recorded = rack.spec.recorded.as_deref();
    let open = open
        || request.method == Method::POST
            && recorded.is_some_and(|recorded| recorded.is_login(&request.path));
    if !open && !sessions::is_authorised(&request, &head.headers) {
        let text = "There is no valid session established with the implementation.";
        return Reply::refuse(StatusCode::UNAUTHORIZED, "NoValidSession", text)
            .with(http::header::WWW_AUTHENTICATE, "Basic realm=\"BMC\"")
            .into_response();
    }
    if request.method == Method::GET && request.path == events::STREAM {
        return events::stream(&request);
    }
    let reply = route(&request);
    let is_password =
        request.method == Method::PATCH && request.path.starts_with("/redfish/v1/AccountService/");
    if is_password && reply.status.is_success() && rack.faults.account(machine, AccountFault::Lost) {
        // It did what it was asked, and nobody hears of it.
        std::future::pending::<()>().await;
    }
    let reply = match schemas::described_by(&reply.body).filter(|_| request.is_get()) {
        Some(link) if reply.status.is_success() => reply.with(http::header::LINK, link),
        _ => reply,
    };
    // What was recorded says so itself.
    let tells = request.is_get() && reply.status.is_success() && request.rack.spec.recorded.is_none();
    let tells = tells || reply.status == StatusCode::METHOD_NOT_ALLOWED;
    let reply = if tells { reply.with(http::header::ALLOW, allowed(&request.path)) } else { reply };
    reply.into_response()
}

/// The methods that a resource takes.
fn allowed(path: &str) -> &'static str {
    let parts: Vec<&str> = path.split('/').skip(3).collect();
    match parts.as_slice() {
        ["Systems", _] | ["Systems", _, "SD"] | ["Systems", _, "Bios", "Settings"] => "GET, HEAD, PATCH",
        ["AccountService", "Accounts", _] => "GET, HEAD, PATCH",
        ["SessionService", "Sessions"] | ["EventService", "Subscriptions"] => "GET, HEAD, POST",
        ["SessionService", "Sessions", _] | ["EventService", "Subscriptions", _] => "GET, HEAD, DELETE",
        [.., "Actions", _] => "POST",
        _ => "GET, HEAD",
    }
}

/// The time a BMC takes for every answer.
async fn think(rack: &Rack, machine: &Machine, number: u64) {
    let pace = crate::dice::throw(rack.spec.seed, &[u64::from(machine.index), number, 0x0b3c]);
    let time = crate::dice::within(&rack.pace().bmc, pace);
    let time = time + rack.faults.bmc_thinks(machine).unwrap_or_default();
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

fn malformed() -> Reply {
    let text =
        "The request body submitted was malformed JSON and could not be parsed by the receiving service.";
    Reply::refuse(StatusCode::BAD_REQUEST, "MalformedJSON", text)
}

/// The resource that a path names answers.
fn route(request: &Request<'_>) -> Reply {
    if let Some(recorded) = &request.rack.spec.recorded {
        return match (&request.method, request.path.rsplit_once('/')) {
            (&Method::POST, _) if recorded.is_login(&request.path) => sessions::log_in(request),
            (&Method::DELETE, Some((_, id))) if request.path.contains("/Sessions/") => {
                sessions::log_out(request, id)
            }
            _ => recorded.answer(request),
        };
    }
    let parts: Vec<&str> = request.path.split('/').skip(1).collect();
    let model = &request.machine.model.bmc;
    if request.method != Method::GET && request.method != Method::HEAD && is_busy(request) {
        let text = "A job is running; the request is to be sent again later.";
        return Reply::refuse(StatusCode::SERVICE_UNAVAILABLE, "ServiceTemporarilyUnavailable", text)
            .with(http::header::RETRY_AFTER, "2");
    }
    let rest = match parts.as_slice() {
        ["redfish"] | ["redfish", "v1"] | ["redfish", "v1", "odata" | "$metadata"] if !request.is_get() => {
            return Reply::not_allowed();
        }
        ["redfish"] => return root::versions(),
        ["redfish", "v1", rest @ ..] => rest,
        _ => return Reply::missing(&request.path),
    };
    match rest {
        [] => root::root(request),
        ["odata"] => root::odata(),
        ["$metadata"] => Reply::document("application/xml", schemas::metadata()),
        ["SessionService", ..] | ["Sessions"] => root::session_service(request, rest),
        ["AccountService", rest @ ..] => accounts::answer(request, rest),
        ["Systems", rest @ ..] if is(rest, model.system) => match rest {
            [] | [_] | [_, "SD" | "ResetActionInfo"] | [_, "Actions", ..] => system::answer(request, rest),
            [_, "Bios", ..] => bios::answer(request, rest),
            _ => parts::answer(request, rest),
        },
        ["Chassis", rest @ ..] if is(rest, model.chassis) => chassis::answer(request, rest),
        ["Managers", rest @ ..] if is(rest, model.manager) => manager::answer(request, rest),
        ["UpdateService", rest @ ..] => update::answer(request, rest),
        ["TaskService", rest @ ..] => tasks::answer(request, rest),
        ["EventService", rest @ ..] => events::answer(request, rest),
        _ => Reply::missing(&request.path),
    }
}

/// Does a path below a collection name its only member, or none?
fn is(rest: &[&str], id: &str) -> bool {
    rest.first().is_none_or(|first| *first == id)
}

fn is_busy(request: &Request<'_>) -> bool {
    if request.path.starts_with("/redfish/v1/SessionService") {
        return false;
    }
    let busy = request.rack.pace().settle(request.machine.model.bmc.busy_after_change);
    let changed = request.machine.state().bmc.changed;
    changed.is_some_and(|at| Instant::now().duration_since(at) < busy)
}

impl Request<'_> {
    /// Its system has changed: another ETag, and a busy job queue.
    pub(super) fn has_changed(&self) {
        let mut state = self.machine.state();
        state.bmc.version = state.bmc.version.wrapping_add(1);
        state.bmc.changed = Some(Instant::now());
    }

    /// The path of its system.
    pub(super) fn system(&self) -> String {
        format!("/redfish/v1/Systems/{}", self.machine.model.bmc.system)
    }

    /// The path of its chassis.
    pub(super) fn chassis(&self) -> String {
        format!("/redfish/v1/Chassis/{}", self.machine.model.bmc.chassis)
    }

    /// The path of its manager.
    pub(super) fn manager(&self) -> String {
        format!("/redfish/v1/Managers/{}", self.machine.model.bmc.manager)
    }

    pub(super) fn is_get(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }
}
