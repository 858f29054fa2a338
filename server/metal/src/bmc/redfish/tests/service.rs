//! A scripted Redfish service on loopback: one or more systems that can be switched, and knobs for what real BMCs do.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    body::Bytes,
    extract::State as Shared,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::AbortHandle};

pub(super) const PASSWORD: &str = "canary-4711";

/// Does it keep sessions?
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sessions {
    Kept,
    Missing,
}

/// How a virtual CD is driven.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    /// There is none.
    Missing,
    /// By actions, of which the insertion takes just these parameters beside the image; an empty list says nothing of them.
    Actions { under: &'static str, takes: &'static [&'static str] },
    /// By PATCH.
    Patched,
    /// It is shown and costs extra.
    Unlicensed,
    /// It says yes and inserts nothing for now.
    Slow,
}

impl Media {
    fn under(self) -> Option<&'static str> {
        match self {
            Media::Missing => None,
            Media::Actions { under, .. } => Some(under),
            Media::Patched | Media::Unlicensed | Media::Slow => Some("Managers/bmc"),
        }
    }
}

pub(super) struct State {
    pub(super) sessions: Sessions,
    pub(super) token: Option<String>,
    /// How a login is refused for want of a session, while it is.
    pub(super) full: Option<StatusCode>,
    /// Does it take HTTP Basic beside sessions?
    pub(super) basic_too: bool,
    /// How many more changes are refused for now, with the seconds after which to come back, if it says.
    pub(super) busy: (u32, Option<u32>),
    /// The power state that is shown, while that is not the one it has.
    pub(super) shows: Option<String>,
    /// How many more times an override is forgotten when it was read once.
    pub(super) forgets: u32,
    boot_reads: u32,
    pub(super) systems: Vec<String>,
    pub(super) power: String,
    pub(super) resets: Option<Vec<String>>,
    pub(super) last_reset: Option<String>,
    pub(super) conflicts_after_switching: bool,
    pub(super) boot_enabled: String,
    pub(super) boot_target: String,
    pub(super) boot_mode: String,
    pub(super) once_is_continuous: bool,
    pub(super) refuses_etags: bool,
    /// What is in its virtual CD.
    pub(super) image: Option<String>,
    /// How its virtual CD is driven.
    pub(super) media: Media,
    /// What each insertion said.
    pub(super) insertions: Vec<Value>,
    /// The `If-Match` of each PATCH.
    pub(super) if_match: Vec<Option<String>>,
    pub(super) requests: Vec<(Method, String)>,
    answers: HashMap<(Method, String), (StatusCode, String)>,
    redirects: HashMap<(Method, String), (StatusCode, String)>,
    version: u64,
}

pub(super) struct Service {
    pub(super) address: String,
    state: Arc<Mutex<State>>,
    server: AbortHandle,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The service's routes, for whoever serves them in another way.
pub(super) fn routes() -> (Router, Arc<Mutex<State>>) {
    let state = Arc::new(Mutex::new(State {
        sessions: Sessions::Kept,
        token: None,
        full: None,
        basic_too: false,
        busy: (0, None),
        shows: None,
        forgets: 0,
        boot_reads: 0,
        systems: vec!["1".into()],
        power: "Off".into(),
        resets: None,
        last_reset: None,
        conflicts_after_switching: false,
        boot_enabled: "Disabled".into(),
        boot_target: "None".into(),
        boot_mode: "UEFI".into(),
        once_is_continuous: false,
        refuses_etags: false,
        image: None,
        media: Media::Actions { under: "Systems/1", takes: &[] },
        insertions: Vec::new(),
        if_match: Vec::new(),
        requests: Vec::new(),
        answers: HashMap::new(),
        redirects: HashMap::new(),
        version: 0,
    }));
    (Router::new().fallback(handle).with_state(state.clone()), state)
}

impl Service {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let (routes, state) = routes();
        let server = tokio::spawn(async move { axum::serve(listener, routes).await }).abort_handle();
        Self { address, state, server }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on it answers just this.
    pub(super) fn answer(&self, method: Method, path: &str, status: StatusCode, body: &str) {
        self.state().answers.insert((method, path.into()), (status, body.into()));
    }

    /// From now on it sends whoever asks this to another address.
    pub(super) fn redirect(&self, method: Method, path: &str, status: StatusCode, to: &str) {
        self.state().redirects.insert((method, path.into()), (status, to.into()));
    }

    /// It answers as it did before [`Service::answer`].
    pub(super) fn mend(&self, method: Method, path: &str) {
        self.state().answers.remove(&(method, path.into()));
    }

    pub(super) fn count(&self, method: &Method, path: &str) -> usize {
        self.state().requests.iter().filter(|(m, p)| m == method && p == path).count()
    }
}

async fn handle(
    Shared(state): Shared<Arc<Mutex<State>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let path = uri.path().to_owned();
    state.requests.push((method.clone(), path.clone()));
    if let Some((status, body)) = state.answers.get(&(method.clone(), path.clone())) {
        return (*status, body.clone()).into_response();
    }
    if let Some((status, to)) = state.redirects.get(&(method.clone(), path.clone())) {
        return (*status, [(header::LOCATION, to.clone())]).into_response();
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    if method == Method::GET && path == "/redfish/v1/" {
        return state.root().into_response();
    }
    if method == Method::POST && path == super::SESSIONS {
        return state.log_in(&body);
    }
    if !state.knows(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if let Some(answer) = state.virtual_media(&method, &path, &body) {
        return answer;
    }
    if method == Method::DELETE && path.starts_with(super::SESSIONS) {
        state.token = None;
        return StatusCode::NO_CONTENT.into_response();
    }
    if method != Method::GET && state.busy.0 > 0 {
        state.busy.0 -= 1;
        let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
        if let Some(seconds) = state.busy.1 {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        return response;
    }
    match (method, path.strip_prefix("/redfish/v1/Systems").unwrap_or("?")) {
        (Method::GET, "") => state.systems().into_response(),
        (Method::GET, "/1/EthernetInterfaces") => {
            collection("Systems/1/EthernetInterfaces", &["a", "b", "c", "d"])
        }
        (Method::GET, nic) if nic.starts_with("/1/EthernetInterfaces/") => interface(nic),
        (Method::GET, system) if state.has(system) => state.system(system),
        (Method::PATCH, "/1") => state.patch(&headers, &body),
        (Method::POST, "/1/Actions/ComputerSystem.Reset") => state.reset(&body),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn collection(path: &str, members: &[&str]) -> Response {
    let members: Vec<_> =
        members.iter().map(|id| json!({ "@odata.id": format!("/redfish/v1/{path}/{id}") })).collect();
    json!({ "Members": members, "Members@odata.count": members.len() }).to_string().into_response()
}

fn link(path: &str) -> Value {
    json!({ "@odata.id": format!("/redfish/v1/{path}") })
}

fn interface(path: &str) -> Response {
    let body = match path.chars().last() {
        Some('a') => json!({ "MACAddress": "02:00:00:00:00:02" }),
        Some('b') => json!({ "MACAddress": "02-00-00-00-00-01", "PermanentMACAddress": "02:00:00:00:00:01" }),
        Some('c') => json!({ "MACAddress": "" }),
        _ => json!({ "MACAddress": null, "PermanentMACAddress": "00:00:00:00:00:00" }),
    };
    body.to_string().into_response()
}

impl State {
    fn root(&self) -> String {
        let mut root = json!({ "Systems": { "@odata.id": "/redfish/v1/Systems" } });
        if self.sessions == Sessions::Kept {
            root["Links"] = json!({ "Sessions": { "@odata.id": super::SESSIONS } });
        }
        root.to_string()
    }

    fn log_in(&mut self, body: &Value) -> Response {
        if body != &json!({ "UserName": "root", "Password": PASSWORD }) {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        if let Some(full) = self.full {
            return full.into_response();
        }
        let token = format!("token-{}", self.requests.len());
        self.token = Some(token.clone());
        let location = format!("{}/{token}", super::SESSIONS);
        (StatusCode::CREATED, [("X-Auth-Token", token), ("Location", location)], "{}").into_response()
    }

    fn knows(&self, headers: &HeaderMap) -> bool {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("root:{PASSWORD}")));
        match self.sessions {
            Sessions::Kept if self.basic_too && text("authorization") == Some(&basic) => true,
            Sessions::Kept => self.token.is_some() && text("x-auth-token") == self.token.as_deref(),
            Sessions::Missing => text("authorization") == Some(&basic),
        }
    }

    fn has(&self, system: &str) -> bool {
        let id = system.trim_matches('/');
        self.systems.iter().any(|one| one == id)
    }

    fn systems(&self) -> Response {
        collection("Systems", &self.systems.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn system(&mut self, path: &str) -> Response {
        self.boot_reads += 1;
        if self.boot_reads > 1 && self.forgets > 0 && self.boot_enabled != "Disabled" {
            self.forgets -= 1;
            self.boot_enabled = "Disabled".into();
        }
        let path = path.trim_end_matches('/');
        let mut reset =
            json!({ "target": format!("/redfish/v1/Systems{path}/Actions/ComputerSystem.Reset") });
        if let Some(resets) = &self.resets {
            reset["ResetType@Redfish.AllowableValues"] = json!(resets);
        }
        let mut system = json!({
            "PowerState": self.shows.as_ref().unwrap_or(&self.power),
            "SerialNumber": " SN-1 ",
            "UUID": "6BA7B810-9DAD-11D1-80B4-00C04FD430C8",
            "Boot": {
                "BootSourceOverrideEnabled": self.boot_enabled,
                "BootSourceOverrideTarget": self.boot_target,
                "BootSourceOverrideMode": self.boot_mode,
                "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Pxe", "Hdd", "UefiHttp", "Cd"],
            },
            "Storage": { "@odata.id": "/redfish/v1/Systems/1/Storage" },
            "EthernetInterfaces": { "@odata.id": "/redfish/v1/Systems/1/EthernetInterfaces" },
            "Actions": { "#ComputerSystem.Reset": reset },
        });
        match self.media.under() {
            Some("Managers/bmc") => system["Links"] = json!({ "ManagedBy": [link("Managers/bmc")] }),
            Some(under) => system["VirtualMedia"] = link(&format!("{under}/VirtualMedia")),
            None => {}
        }
        ([(header::ETAG, self.etag())], system.to_string()).into_response()
    }

    /// The manager, and the virtual drives wherever they are.
    fn virtual_media(&mut self, method: &Method, path: &str, body: &Value) -> Option<Response> {
        let under = self.media.under()?;
        let path = path.strip_prefix("/redfish/v1/")?;
        if (method, path) == (&Method::GET, "Managers/bmc") {
            return Some(
                json!({ "VirtualMedia": link("Managers/bmc/VirtualMedia") }).to_string().into_response(),
            );
        }
        let rest = path.strip_prefix(under)?.strip_prefix("/VirtualMedia")?;
        Some(match (method, rest) {
            (&Method::GET, "") => collection(&format!("{under}/VirtualMedia"), &["Floppy", "Cd"]),
            (&Method::GET, "/Floppy") => {
                json!({ "MediaTypes": ["Floppy", "USBStick"] }).to_string().into_response()
            }
            (&Method::GET, "/Cd") => self.drive(under),
            (&Method::GET, "/Cd/InsertInfo") => self.insert_info(),
            (&Method::POST, "/Cd/Actions/VirtualMedia.InsertMedia") => self.insert(body),
            (&Method::POST, "/Cd/Actions/VirtualMedia.EjectMedia") => {
                self.image = None;
                StatusCode::NO_CONTENT.into_response()
            }
            (&Method::PATCH, "/Cd") if self.media == Media::Patched => {
                self.image = body["Image"].as_str().map(str::to_owned);
                StatusCode::OK.into_response()
            }
            _ => StatusCode::NOT_FOUND.into_response(),
        })
    }

    fn drive(&self, under: &str) -> Response {
        let action = |name: &str| format!("/redfish/v1/{under}/VirtualMedia/Cd/Actions/VirtualMedia.{name}");
        let mut drive =
            json!({ "MediaTypes": ["CD", "DVD"], "Image": self.image, "Inserted": self.image.is_some() });
        if self.media != Media::Patched {
            drive["Actions"] = json!({
                "#VirtualMedia.InsertMedia": { "target": action("InsertMedia") },
                "#VirtualMedia.EjectMedia": { "target": action("EjectMedia") },
            });
        }
        if let Media::Actions { takes: [_, ..], .. } = self.media {
            let info = format!("/redfish/v1/{under}/VirtualMedia/Cd/InsertInfo");
            drive["Actions"]["#VirtualMedia.InsertMedia"]["@Redfish.ActionInfo"] = json!(info);
        }
        drive.to_string().into_response()
    }

    fn insert_info(&self) -> Response {
        let Media::Actions { takes, .. } = self.media else { return StatusCode::NOT_FOUND.into_response() };
        let parameters: Vec<_> = ["Image"].iter().chain(takes).map(|name| json!({ "Name": name })).collect();
        json!({ "Parameters": parameters }).to_string().into_response()
    }

    fn insert(&mut self, body: &Value) -> Response {
        self.insertions.push(body.clone());
        let complaint = |status, text: String| {
            let body = json!({ "error": { "@Message.ExtendedInfo": [{ "Message": text }] } }).to_string();
            (status, body).into_response()
        };
        let url = body["Image"].as_str().unwrap_or_default().to_owned();
        let given = body.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        let mut given: Vec<&str> = given.filter(|name| *name != "Image").collect();
        given.sort_unstable();
        match self.media {
            Media::Unlicensed => {
                return complaint(StatusCode::FORBIDDEN, format!("Inserting {url} needs a licence."));
            }
            Media::Slow => return StatusCode::ACCEPTED.into_response(),
            Media::Missing | Media::Patched | Media::Actions { .. } => {}
        }
        if let Media::Actions { takes: takes @ [_, ..], .. } = self.media
            && given != takes
        {
            return complaint(
                StatusCode::BAD_REQUEST,
                format!("The parameters for {url} are not acceptable."),
            );
        }
        if self.image.is_some() {
            return complaint(StatusCode::CONFLICT, "A medium is inserted already.".into());
        }
        self.image = Some(url);
        StatusCode::NO_CONTENT.into_response()
    }

    fn etag(&self) -> String {
        format!("W/\"{}\"", self.version)
    }

    fn patch(&mut self, headers: &HeaderMap, body: &Value) -> Response {
        let etag = headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let fits = etag.as_ref().is_none_or(|etag| *etag == self.etag() && !self.refuses_etags);
        self.if_match.push(etag);
        if !fits {
            return StatusCode::PRECONDITION_FAILED.into_response();
        }
        self.boot_reads = 0;
        let text = |name: &str| body["Boot"][name].as_str().map(str::to_owned);
        let enabled = text("BootSourceOverrideEnabled").unwrap_or_default();
        self.boot_enabled =
            if self.once_is_continuous && enabled == "Once" { "Continuous".into() } else { enabled };
        self.boot_target = text("BootSourceOverrideTarget").unwrap_or_default();
        self.boot_mode = text("BootSourceOverrideMode").unwrap_or_else(|| self.boot_mode.clone());
        self.version += 1;
        StatusCode::NO_CONTENT.into_response()
    }

    fn reset(&mut self, body: &Value) -> Response {
        let kind = body["ResetType"].as_str().unwrap_or_default().to_owned();
        self.power = if kind.ends_with("On") { "On".into() } else { "Off".into() };
        if self.power == "On" && self.boot_enabled == "Once" {
            self.boot_enabled = "Disabled".into();
        }
        self.last_reset = Some(kind);
        self.version += 1;
        if self.conflicts_after_switching { StatusCode::CONFLICT } else { StatusCode::NO_CONTENT }
            .into_response()
    }
}
