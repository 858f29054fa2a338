//! Requests to one Redfish service: login, bounds, and its errors in our words.
//!
//! The login goes to one origin only; a link that leaves it is refused. A session is opened once, used until the BMC
//! forgets it, and ended when the client is done. Nothing is sent twice but what a BMC refused with the time to come back,
//! and what it refused for want of a session.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use reqwest::{Method, StatusCode, header};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout},
};
use underlay_core::{
    Cause, SecretString,
    bmc::{Error, Login},
    host::{self, Tls},
};

use super::{
    check::{Read, Sort},
    logins::Logins,
    model::{Collection, Complaint, Manager, Root},
    quirks::{self, Quirks},
    session::{Auth, Session},
    tls::{self, Pin},
};

/// Where the service begins; the trailing slash is part of it (DSP0266, section 6.4).
pub(super) const ROOT: &str = "/redfish/v1/";
/// What nobody reads without a login.
pub(super) const SYSTEMS: &str = "/redfish/v1/Systems";
/// The largest reply that is read; a ComputerSystem has some 10 kB.
const LARGEST_REPLY: usize = 1 << 20;
/// How many members of a collection are read.
const MOST_MEMBERS: usize = 64;
/// How long a connection is kept for the next request: a host at rest is asked every quarter of an hour at most.
const IDLE: Duration = Duration::from_secs(15);
const CONNECT: Duration = Duration::from_secs(5);
/// BMCs were seen to think for 20 s over a single answer.
const REQUEST: Duration = Duration::from_secs(25);
/// How long a BMC may take to end a session.
const GOODBYE: Duration = Duration::from_secs(5);
/// A BMC that asks us to come back sooner is asked after this.
const BREATH: Duration = Duration::from_millis(100);

/// Who asks, for a BMC's own log: one of several servers can be told from the others.
fn name() -> String {
    let node = rustix::system::uname();
    let node = node.nodename().to_string_lossy();
    format!("underlay/{} ({node}:{})", env!("CARGO_PKG_VERSION"), std::process::id())
}

/// A connection to one service.
pub(super) struct Client {
    http: reqwest::Client,
    address: String,
    origin: reqwest::Url,
    logins: Logins,
    auth: Mutex<Auth>,
    quirks: OnceLock<&'static Quirks>,
    pin: Arc<Pin>,
    shows_certificate: Shows,
}

/// Is the certificate one that is pinned?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shows {
    Pinned,
    Nothing,
}

/// What came back.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    etag: Option<String>,
    allow: Option<String>,
    token: Option<SecretString>,
    location: Option<String>,
    /// When to come back, where it says.
    retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

/// What a look brought.
pub(super) struct Answer {
    reply: Reply,
    took: Duration,
}

impl Answer {
    /// As it is kept, with its size.
    pub(super) fn read(self, path: String, sort: Sort) -> (Read, usize) {
        let Self { reply, took } = self;
        let body = serde_json::from_slice(&reply.body).unwrap_or_default();
        let etag = reply.etag.map(|text| ("etag", text));
        let headers = etag.into_iter().chain(reply.allow.map(|text| ("allow", text))).collect();
        let status = reply.status.as_u16();
        (Read { path, sort, status, headers, body, took }, reply.body.len())
    }
}

impl Client {
    pub(super) fn new(bmc: &host::Redfish, login: Login, pinned: Option<String>) -> Result<Self, Error> {
        let invalid = |why: String| Error::Invalid(format!("{}: {why}", bmc.address));
        let origin: reqwest::Url = bmc.address.parse().map_err(|error| invalid(format!("{error}")))?;
        if !matches!(origin.scheme(), "http" | "https") || origin.host_str().is_none() {
            return Err(invalid("write it as https://ADDRESS or https://ADDRESS:PORT".into()));
        }
        let pin = Pin::new(pinned);
        let http = reqwest::Client::builder()
            .user_agent(name())
            .tls_backend_preconfigured(tls::config(&bmc.tls, &pin).map_err(Error::Invalid)?)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .connect_timeout(CONNECT)
            .timeout(REQUEST)
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(IDLE)
            .build()
            .map_err(|error| invalid(underlay_core::because(&error)))?;
        let shows_certificate = match (&bmc.tls, origin.scheme()) {
            (Tls::Pin, "https") => Shows::Pinned,
            _ => Shows::Nothing,
        };
        let address = bmc.address.clone();
        let (auth, quirks) = (Mutex::new(Auth::None), OnceLock::new());
        let logins = Logins::new(login);
        Ok(Self { http, address, origin, logins, auth, quirks, pin, shows_certificate })
    }

    /// What is known of its make; until it was asked, what is assumed of any.
    pub(super) fn quirks(&self) -> &'static Quirks {
        self.quirks.get().copied().unwrap_or(&quirks::UNKNOWN)
    }

    /// From now on it is taken for one of these, whatever it says.
    pub(super) fn is_one_of(&self, quirks: &'static Quirks) {
        let _kept = self.quirks.set(quirks);
    }

    /// Whose BMC it is, as its service root or its first manager says.
    pub(super) async fn detect(&self, root: &Root) -> Result<(), Error> {
        if self.quirks.get().is_some() {
            return Ok(());
        }
        let mut found = quirks::by_root(root);
        if found.is_none()
            && quirks::says_nothing(root)
            && let Some(managers) = root.managers()
        {
            found = match self.first_manager(managers).await {
                Ok(manager) => manager.as_ref().and_then(quirks::by_manager),
                // Nothing depends on it, but one that had no time is asked again.
                Err(error @ (Error::Unreachable { .. } | Error::Busy { .. } | Error::Refused { .. })) => {
                    return Err(error);
                }
                Err(_) => None,
            };
        }
        let found = found.unwrap_or(&quirks::UNKNOWN);
        tracing::debug!(address = %self.address, quirks = found.name, "a BMC was asked who made it");
        self.is_one_of(found);
        Ok(())
    }

    async fn first_manager(&self, managers: &str) -> Result<Option<Manager>, Error> {
        match self.members(managers).await?.first() {
            Some(path) => Ok(Some(self.get::<Manager>(path).await?.0)),
            None => Ok(None),
        }
    }

    /// Ends the session, where there is one and the BMC lets us. A later request opens another.
    pub(super) async fn log_out(&self) {
        // A call that still goes on holds the session.
        let ended = timeout(GOODBYE, async {
            let mut auth = self.auth.lock().await;
            let Auth::Session(Session { path, .. }) = &*auth else { return true };
            let ended = match path {
                Some(path) => self.exchange(Method::DELETE, path, None, None, (&auth, &self.login())).await,
                None => return false,
            };
            *auth = Auth::None;
            matches!(&ended, Ok(reply) if reply.status.is_success())
        });
        if !matches!(ended.await, Ok(true)) {
            tracing::debug!(address = %self.address, "a session is left behind until it idles out");
        }
    }

    /// The pinned certificate, once one was seen.
    pub(super) fn certificate(&self) -> Option<String> {
        if self.shows_certificate == Shows::Pinned { self.pin.fingerprint() } else { None }
    }

    /// Read a resource, with the ETag of the reply.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<(T, Option<String>), Error> {
        let reply = self.send(Method::GET, path, None, None).await?;
        if !reply.status.is_success() {
            return Err(self.complaint(&reply, &format!("GET {path}")));
        }
        let value = self.decode(&reply, path)?;
        Ok((value, reply.etag))
    }

    /// Read whatever is at `path`, with the time it takes: an answer that is no JSON has no body.
    pub(super) async fn look(&self, path: &str) -> Result<Answer, Error> {
        let began = Instant::now();
        let reply = self.send(Method::GET, path, None, None).await?;
        if matches!(reply.status, StatusCode::UNAUTHORIZED) {
            return Err(self.complaint(&reply, &format!("GET {path}")));
        }
        Ok(Answer { reply, took: began.elapsed() })
    }

    /// How it is logged in to now.
    pub(super) async fn login_is(&self) -> &'static str {
        match *self.auth.lock().await {
            Auth::Session(_) => "session",
            Auth::None | Auth::Basic | Auth::Full(_) => "basic",
        }
    }

    /// Where it is.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The login in use.
    pub(super) fn login(&self) -> Login {
        self.logins.current()
    }

    /// It takes one of these, of which there is one at least; the first is tried first.
    pub(super) fn takes_one_of(&self, logins: Vec<Login>) {
        self.logins.set(logins);
    }

    /// Does the BMC take this login? It is the one in use from then on. Tried once.
    pub(super) async fn prove(&self, login: &Login) -> Result<bool, Error> {
        self.log_out().await;
        let mut auth = self.auth.lock().await;
        *auth = Auth::None;
        let opened = match self.log_in_as(login).await? {
            Ok(session @ Auth::Session(_)) => session,
            Ok(basic) => {
                let reply = self.exchange(Method::GET, SYSTEMS, None, None, (&basic, login)).await?;
                if reply.status == StatusCode::UNAUTHORIZED {
                    return Ok(false);
                }
                if !reply.status.is_success() {
                    return Err(self.complaint(&reply, &format!("GET {SYSTEMS}")));
                }
                basic
            }
            Err(_) => return Ok(false),
        };
        self.logins.choose(login);
        *auth = opened;
        Ok(true)
    }

    /// The paths of a collection's members.
    pub(super) async fn members(&self, collection: &str) -> Result<Vec<String>, Error> {
        let mut paths = Vec::new();
        let mut next = Some(collection.to_owned());
        while let Some(page) = next {
            let (read, _) = self.get::<Collection>(&page).await?;
            next = if read.members.is_empty() { None } else { read.next };
            paths.extend(read.members.into_iter().map(|link| link.path));
            if paths.len() > MOST_MEMBERS {
                return Err(self.nonsense(&page, format!("more than {MOST_MEMBERS} members")));
            }
        }
        Ok(paths)
    }

    /// Take a resource away.
    pub(super) async fn delete(&self, path: &str) -> Result<(), Error> {
        let reply = self.send(Method::DELETE, path, None, None).await?;
        // Gone is gone.
        if reply.status.is_success() || reply.status == StatusCode::NOT_FOUND {
            return Ok(());
        }
        Err(self.complaint(&reply, &format!("DELETE {path}")))
    }

    /// Send `body`; the answer's status is the caller's to judge.
    pub(super) async fn write(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        etag: Option<&str>,
    ) -> Result<Reply, Error> {
        self.send(method, path, Some(body), etag).await
    }

    /// The error that a reply stands for, with what the BMC says in it.
    pub(super) fn complaint(&self, reply: &Reply, request: &str) -> Error {
        let address = self.address.clone();
        let why = self.said(reply);
        if self.is_for_now(reply) {
            return Error::Busy { address, why };
        }
        match reply.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::Refused { address, why },
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Error::Busy { address, why },
            StatusCode::BAD_REQUEST
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::CONFLICT
            | StatusCode::UNPROCESSABLE_ENTITY
            | StatusCode::NOT_IMPLEMENTED => Error::Unsupported { address, wish: request.into(), why },
            _ => self.nonsense(request, why),
        }
    }

    /// An answer that makes no sense.
    pub(super) fn nonsense(&self, request: &str, why: impl Into<String>) -> Error {
        let request = self.shown(request, 200);
        Error::Nonsense { address: self.address.clone(), request, why: self.shown(&why.into(), 300) }
    }

    /// A wish that cannot be granted.
    pub(super) fn unsupported(&self, wish: &str, why: impl Into<String>) -> Error {
        let (address, wish) = (self.address.clone(), wish.into());
        Error::Unsupported { address, wish, why: self.shown(&why.into(), 300) }
    }

    /// It asks us to come back.
    pub(super) fn busy(&self, why: &str) -> Error {
        Error::Busy { address: self.address.clone(), why: why.into() }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        etag: Option<&str>,
    ) -> Result<Reply, Error> {
        let mut auth = self.auth.lock().await;
        let reply = self.send_authorised(&mut auth, &method, path, body, etag).await?;
        let began = Instant::now();
        let mut reply = reply;
        // It was refused whole, and when to send it again was said.
        while let Some(after) = self.comes_back(&reply, began) {
            sleep(after).await;
            reply = self.send_authorised(&mut auth, &method, path, body, etag).await?;
        }
        Ok(reply)
    }

    /// When a refused request is to be sent again, if it is to be.
    fn comes_back(&self, reply: &Reply, began: Instant) -> Option<Duration> {
        let after = reply.retry_after.filter(|_| quirks::may_pass(reply.status))?.max(BREATH);
        (began.elapsed() + after <= self.quirks().patience).then_some(after)
    }

    async fn send_authorised(
        &self,
        auth: &mut Auth,
        method: &Method,
        path: &str,
        body: Option<&Value>,
        etag: Option<&str>,
    ) -> Result<Reply, Error> {
        if auth.is_due() {
            *auth = self.log_in().await?;
        }
        let login = self.login();
        let reply = self.exchange(method.clone(), path, body, etag, (auth, &login)).await?;
        match auth {
            Auth::Session(_) if reply.status == StatusCode::UNAUTHORIZED => {
                // The session ended: idle for too long, or the BMC restarted.
                *auth = Auth::None;
                *auth = self.log_in().await?;
                self.exchange(method.clone(), path, body, etag, (auth, &self.login())).await
            }
            // It may have the other password.
            Auth::Basic | Auth::Full(_) if reply.status == StatusCode::UNAUTHORIZED && self.has_another() => {
                if let Some(why) = self.logins.left_alone() {
                    return Err(Error::Refused { address: self.address.clone(), why });
                }
                for other in self.logins.in_order().into_iter().skip(1) {
                    let reply = self.exchange(method.clone(), path, body, etag, (auth, &other)).await?;
                    if reply.status != StatusCode::UNAUTHORIZED {
                        self.logins.choose(&other);
                        return Ok(reply);
                    }
                }
                self.logins.all_refused(&self.said(&reply));
                *auth = Auth::None;
                Ok(reply)
            }
            // The password may well be right.
            Auth::Full(_) if reply.status == StatusCode::UNAUTHORIZED => {
                *auth = Auth::None;
                Err(self.busy("it has no room for another session and takes no HTTP Basic; end some of its sessions, or wait until they idle out"))
            }
            _ => Ok(reply),
        }
    }

    fn has_another(&self) -> bool {
        self.logins.in_order().len() > 1
    }

    /// Log in, with the other login where the one in use is refused.
    async fn log_in(&self) -> Result<Auth, Error> {
        if let Some(why) = self.logins.left_alone() {
            return Err(Error::Refused { address: self.address.clone(), why });
        }
        let mut refused = None;
        for login in self.logins.in_order() {
            match self.log_in_as(&login).await? {
                Ok(auth) => {
                    if matches!(auth, Auth::Session(_)) {
                        self.logins.choose(&login);
                    }
                    return Ok(auth);
                }
                Err(error) => refused = Some(error),
            }
        }
        let refused = refused.expect("there is one login at least");
        if let Error::Refused { why, .. } = &refused {
            self.logins.all_refused(why);
        }
        Err(refused)
    }

    /// Open a session, or settle on Basic where there are none. The inner error: it does not take this login.
    async fn log_in_as(&self, login: &Login) -> Result<Result<Auth, Error>, Error> {
        let root = self.exchange(Method::GET, ROOT, None, None, (&Auth::None, login)).await?;
        if root.status == StatusCode::UNAUTHORIZED {
            return Ok(Ok(Auth::Basic));
        }
        if !root.status.is_success() {
            return Err(self.complaint(&root, "GET /redfish/v1/"));
        }
        let root: Root = self.decode(&root, ROOT)?;
        let Some(sessions) = root.links.and_then(|links| links.sessions) else { return Ok(Ok(Auth::Basic)) };
        let body = json!({ "UserName": login.user, "Password": login.password.expose_secret() });
        let nobody = (&Auth::None, login);
        let reply = self.exchange(Method::POST, &sessions.path, Some(&body), None, nobody).await?;
        match (reply.status, &reply.token) {
            (status, Some(token)) if status.is_success() => {
                Ok(Ok(Auth::Session(Session { token: token.clone(), path: self.session_path(&reply) })))
            }
            (status, None) if status.is_success() => {
                Err(self.nonsense("the login", "it sends no X-Auth-Token"))
            }
            (status, _) if quirks::lacks_sessions(status) => Ok(Ok(Auth::Basic)),
            (status, _) if quirks::is_full(status) => {
                tracing::debug!(address = %self.address, why = self.said(&reply), "no session is to be had");
                Ok(Ok(Auth::full()))
            }
            _ => match self.complaint(&reply, "the login") {
                refused @ Error::Refused { .. } => Ok(Err(refused)),
                other => Err(other),
            },
        }
    }

    /// Where a session is ended: its `Location`, or its `@odata.id` where that is missing; a path of this service.
    fn session_path(&self, reply: &Reply) -> Option<String> {
        let in_body = || {
            let body: Value = serde_json::from_slice(&reply.body).ok()?;
            Some(body.get("@odata.id")?.as_str()?.to_owned())
        };
        let said = reply.location.clone().or_else(in_body)?;
        let url = self.origin.join(&said).ok().filter(|url| url.origin() == self.origin.origin())?;
        self.locate(url.path()).ok().map(|_| url.path().to_owned())
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        etag: Option<&str>,
        (auth, login): (&Auth, &Login),
    ) -> Result<Reply, Error> {
        let mut request = self
            .http
            .request(method.clone(), self.locate(path)?)
            .header(header::ACCEPT, "application/json")
            .header("OData-Version", "4.0");
        request = match auth {
            Auth::None => request,
            Auth::Basic | Auth::Full(_) => {
                request.basic_auth(&login.user, Some(login.password.expose_secret()))
            }
            Auth::Session(session) => request.header("X-Auth-Token", session.token.expose_secret()),
        };
        if let Some(etag) = etag {
            request = request.header(header::IF_MATCH, etag);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| self.lost(error))?;
        let status = response.status();
        if status.is_redirection() {
            let why = format!("it redirects ({status}), and a login is not carried elsewhere");
            return Err(self.nonsense(&format!("{method} {path}"), why));
        }
        let text = |name: header::HeaderName| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let etag = text(header::ETAG);
        let allow = text(header::ALLOW);
        let token = text(header::HeaderName::from_static("x-auth-token")).map(SecretString::from);
        let location = text(header::LOCATION);
        // The other form, a date, is as good as none: a BMC's clock is seldom right.
        let seconds = text(header::RETRY_AFTER).and_then(|text| text.trim().parse().ok());
        let retry_after = seconds.map(Duration::from_secs);
        let body = self.body(response, &format!("{method} {path}")).await?;
        Ok(Reply { status, etag, allow, token, location, retry_after, body })
    }

    async fn body(&self, mut response: reqwest::Response, request: &str) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| self.broke_off(error, request, &body))?
        {
            if body.len() + chunk.len() > LARGEST_REPLY {
                return Err(self.nonsense(request, format!("the reply is longer than {LARGEST_REPLY} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// Why the rest of a reply never came.
    fn broke_off(&self, error: reqwest::Error, request: &str, read: &[u8]) -> Error {
        if error.is_timeout() {
            return self.lost(error);
        }
        let why = underlay_core::because(&error.without_url());
        self.nonsense(request, format!("the reply breaks off after {} bytes: {why}", read.len()))
    }

    /// A link as an address on this service.
    fn locate(&self, path: &str) -> Result<reqwest::Url, Error> {
        let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        if plain
            && path.len() <= 1024
            && path.starts_with('/')
            && let Ok(url) = self.origin.join(path)
            && url.origin() == self.origin.origin()
        {
            Ok(url)
        } else {
            Err(self.nonsense("a link", format!("\"{path}\" is not a path of this service")))
        }
    }

    /// serde_json refuses what is nested more than 128 deep.
    fn decode<T: DeserializeOwned>(&self, reply: &Reply, path: &str) -> Result<T, Error> {
        serde_json::from_slice(&reply.body)
            .map_err(|error| self.nonsense(&format!("GET {path}"), error.to_string()))
    }

    fn lost(&self, error: reqwest::Error) -> Error {
        let address = self.address.clone();
        let error = error.without_url();
        match tls::tls_error(&error) {
            Some(rustls::Error::InvalidCertificate(
                rustls::CertificateError::ApplicationVerificationFailure,
            )) => {
                let pinned = self.pin.fingerprint().unwrap_or_default();
                Error::Refused {
                    address,
                    why: format!("its certificate is not the pinned one (SHA-256 {pinned})"),
                }
            }
            Some(tls @ rustls::Error::InvalidCertificate(_)) => {
                Error::Refused { address, why: tls.to_string() }
            }
            _ => Error::Unreachable { address, source: Some(Box::new(Cause::of(&error))) },
        }
    }

    /// Does a refusal hold only for now, as its vendor puts it?
    fn is_for_now(&self, reply: &Reply) -> bool {
        let Ok(complaint) = serde_json::from_slice::<Complaint>(&reply.body) else { return false };
        let mut ids = complaint.error.extended.iter().filter_map(|info| info.id.as_deref());
        ids.any(|id| self.quirks().later.contains(&id.rsplit('.').next().unwrap_or(id)))
    }

    /// What the BMC says in an error reply, in at most 300 characters.
    pub(super) fn said(&self, reply: &Reply) -> String {
        let complaint =
            serde_json::from_slice::<Complaint>(&reply.body).ok().map(|complaint| complaint.error);
        let messages: Vec<String> = complaint
            .map(|body| {
                let extended: Vec<_> = body.extended.into_iter().filter_map(|info| info.message).collect();
                if extended.is_empty() { body.message.into_iter().collect() } else { extended }
            })
            .unwrap_or_default();
        let status = reply.status;
        if messages.is_empty() {
            status.to_string()
        } else {
            self.shown(&format!("{status}: {}", messages.join(" ")), 300)
        }
    }

    /// Foreign text fit to be shown: bounded, on one line, without our passwords.
    pub(super) fn shown(&self, text: &str, most: usize) -> String {
        let text = self.logins.mask(text);
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most).collect()
    }
}
