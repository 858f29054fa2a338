//! Logins: sessions (DSP0266, 13.3.4) that end when idle, and Basic. As many sessions as the model holds; the next login
//! is refused.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{accounts::is_login, reply::Reply, service::Request};

/// A session that is not used for so long is over.
const IDLE: Duration = Duration::from_secs(1800);

/// The sessions of one BMC.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    next: u32,
    open: Vec<Session>,
}

#[derive(Debug)]
struct Session {
    id: u32,
    token: u128,
    used: Instant,
}

/// Open one.
pub(super) fn log_in(request: &Request<'_>) -> Reply {
    let given = |name: &str| request.body.get(name).and_then(Value::as_str).unwrap_or_default();
    if !is_login(request, given("UserName"), given("Password")) {
        let text = "The authentication credentials included with this request are missing or invalid.";
        return Reply::refuse(StatusCode::UNAUTHORIZED, "NoValidSession", text);
    }
    let Some(token) = random() else {
        return Reply::refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "There is no randomness.");
    };
    let mut state = request.machine.state();
    let (sessions, now) = (&mut state.bmc.sessions, Instant::now());
    sessions.open.retain(|session| now.duration_since(session.used) < IDLE);
    if sessions.open.len() >= request.machine.model.bmc.sessions {
        let text = "The session establishment failed due to the number of simultaneous sessions exceeding the limit.";
        let full = request.machine.model.bmc.full;
        let status = StatusCode::from_u16(full.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        return Reply::refuse_as(status, full.message, text);
    }
    sessions.next += 1;
    let id = sessions.next;
    sessions.open.push(Session { id, token, used: now });
    let path = format!("/redfish/v1/SessionService/Sessions/{id}");
    let body = resource(&path, id, &request.rack.spec.login.user);
    Reply::created(path, body).with(header::HeaderName::from_static("x-auth-token"), format!("{token:032x}"))
}

/// End one.
pub(super) fn log_out(request: &Request<'_>, id: &str) -> Reply {
    let mut state = request.machine.state();
    let open = &mut state.bmc.sessions.open;
    match open.iter().position(|session| session.id.to_string() == id) {
        Some(at) => {
            open.remove(at);
            Reply::empty()
        }
        None => Reply::missing(&request.path),
    }
}

/// The ids of those that are open.
pub(super) fn list(request: &Request<'_>) -> Vec<String> {
    let state = request.machine.state();
    let path = |session: &Session| format!("/redfish/v1/SessionService/Sessions/{}", session.id);
    state.bmc.sessions.open.iter().map(path).collect()
}

/// One of them.
pub(super) fn show(request: &Request<'_>, id: &str) -> Reply {
    let path = format!("/redfish/v1/SessionService/Sessions/{id}");
    match (list(request).contains(&path), id.parse()) {
        (true, Ok(number)) => Reply::ok(resource(&path, number, &request.rack.spec.login.user)),
        _ => Reply::missing(&path),
    }
}

fn resource(path: &str, id: u32, user: &str) -> Value {
    json!({
        "@odata.id": path,
        "@odata.type": "#Session.v1_7_0.Session",
        "Id": id.to_string(),
        "Name": "User Session",
        "UserName": user,
    })
}

/// May whoever asks have an answer?
pub(super) fn is_authorised(request: &Request<'_>, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(token) = text("x-auth-token") {
        let Ok(token) = u128::from_str_radix(token, 16) else { return false };
        let mut state = request.machine.state();
        let now = Instant::now();
        let open = &mut state.bmc.sessions.open;
        let session = open.iter_mut().find(|session| session.token == token);
        return session.is_some_and(|session| {
            let alive = now.duration_since(session.used) < IDLE;
            session.used = now;
            alive
        });
    }
    let basic = text("authorization").and_then(|value| value.strip_prefix("Basic "));
    let Some(basic) = basic.and_then(|value| STANDARD.decode(value.trim()).ok()) else { return false };
    let basic = String::from_utf8_lossy(&basic).into_owned();
    basic.split_once(':').is_some_and(|(user, password)| is_login(request, user, password))
}

fn random() -> Option<u128> {
    use ring::rand::SecureRandom;
    let mut bytes = [0; 16];
    ring::rand::SystemRandom::new().fill(&mut bytes).ok()?;
    Some(u128::from_be_bytes(bytes))
}
