//! A password is changed on a BMC that refuses, lies, loses its answer, has no sessions or locks accounts: the host is never
//! lost, the change is believed when it was seen, and nothing is tried twice that may be wrong.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::{
    Router,
    body::Bytes,
    extract::State as Shared,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::AbortHandle, time::advance};
use underlay_core::{
    ErrorKind,
    bmc::{Accounts, Error, Login},
    host::Boot,
};

use super::{super::Redfish, spec};

const FACTORY: &str = "calvin-4711";
const OWN: &str = "Own2passwordOwn3";
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";
const ACCOUNT: &str = "/redfish/v1/AccountService/Accounts/2";

/// What it makes of a change of its password.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Made,
    Refused,
    Ignored,
    /// Made, and answered with what makes no sense.
    Lost,
}

struct State {
    password: String,
    change: Change,
    has_sessions: bool,
    has_accounts: bool,
    most: u32,
    wants_etag: bool,
    tokens: u32,
    failures: u32,
    patches: Vec<Option<String>>,
}

struct Bmc {
    address: String,
    state: Arc<Mutex<State>>,
    server: AbortHandle,
}

impl Drop for Bmc {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Bmc {
    async fn start() -> Self {
        let state = Arc::new(Mutex::new(State {
            password: FACTORY.into(),
            change: Change::Made,
            has_sessions: true,
            has_accounts: true,
            most: 20,
            wants_etag: false,
            tokens: 0,
            failures: 0,
            patches: Vec::new(),
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let routes = Router::new().fallback(handle).with_state(state.clone());
        let server = tokio::spawn(async move { axum::serve(listener, routes).await }).abort_handle();
        Self { address, state, server }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often a change was asked for, and how often a login failed.
    fn counts(&self) -> (usize, u32) {
        let state = self.state();
        (state.patches.len(), state.failures)
    }

    /// A server that has just started, and knows of these passwords.
    fn driver(&self, first: &str, second: Option<&str>) -> Redfish {
        let driver = Redfish::new(&spec(&self.address), &Boot::default(), login(first), None);
        let driver = driver.expect("the address reads");
        driver.takes_one_of(login(first), second.map(login));
        driver
    }
}

fn login(password: &str) -> Login {
    Login { user: "root".into(), password: password.into() }
}

async fn handle(
    Shared(state): Shared<Arc<Mutex<State>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let link = |path: &str| json!({ "@odata.id": format!("/redfish/v1/{path}") });
    let path = uri.path();
    if path == "/redfish/v1/" {
        let mut root = json!({ "Systems": link("Systems") });
        if state.has_sessions {
            root["Links"] = json!({ "Sessions": link("SessionService/Sessions") });
        }
        if state.has_accounts {
            root["AccountService"] = link("AccountService");
        }
        return root.to_string().into_response();
    }
    if (&method, path) == (&Method::POST, SESSIONS) {
        if body != json!({ "UserName": "root", "Password": state.password }) {
            state.failures += 1;
            return StatusCode::UNAUTHORIZED.into_response();
        }
        state.tokens += 1;
        let token = format!("token-{}", state.tokens);
        let location = format!("{SESSIONS}/{token}");
        return (StatusCode::CREATED, [("X-Auth-Token", token), ("Location", location)], "{}")
            .into_response();
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("root:{}", state.password)));
    // A session outlives the password it was opened with.
    let is_known = if state.has_sessions {
        text("x-auth-token") == Some(format!("token-{}", state.tokens).as_str())
    } else {
        text("authorization") == Some(&basic)
    };
    if !is_known {
        state.failures += u32::from(!state.has_sessions);
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match (method, path) {
        (Method::DELETE, _) => {
            state.tokens += 1;
            StatusCode::NO_CONTENT.into_response()
        }
        (Method::GET, "/redfish/v1/Systems") => json!({ "Members": [] }).to_string().into_response(),
        (Method::GET, "/redfish/v1/AccountService") => json!({
            "Accounts": link("AccountService/Accounts"),
            "MinPasswordLength": 8,
            "MaxPasswordLength": state.most,
        })
        .to_string()
        .into_response(),
        (Method::GET, "/redfish/v1/AccountService/Accounts") => {
            let members = [link("AccountService/Accounts/1"), link("AccountService/Accounts/2")];
            json!({ "Members": members }).to_string().into_response()
        }
        (Method::GET, ACCOUNT) => {
            ([(header::ETAG, "\"a\"")], json!({ "UserName": "root" }).to_string()).into_response()
        }
        (Method::GET, "/redfish/v1/AccountService/Accounts/1") => {
            json!({ "UserName": "" }).to_string().into_response()
        }
        (Method::PATCH, ACCOUNT) => state.patch(text("if-match"), &body),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

impl State {
    fn patch(&mut self, etag: Option<&str>, body: &Value) -> Response {
        self.patches.push(etag.map(str::to_owned));
        if self.wants_etag && etag != Some("\"a\"") {
            return StatusCode::PRECONDITION_REQUIRED.into_response();
        }
        let wanted = body["Password"].as_str().expect("a password").to_owned();
        match self.change {
            Change::Refused => {
                let text = format!("The password {wanted} is not to the taste of this BMC.");
                let body = json!({ "error": { "@Message.ExtendedInfo": [{ "Message": text }] } });
                return (StatusCode::BAD_REQUEST, body.to_string()).into_response();
            }
            Change::Ignored => {}
            Change::Made | Change::Lost => self.password = wanted,
        }
        match self.change {
            Change::Lost => (StatusCode::INTERNAL_SERVER_ERROR, "\u{0}").into_response(),
            _ => StatusCode::NO_CONTENT.into_response(),
        }
    }
}

async fn ensure(driver: &Redfish, password: &str) -> Result<(), Error> {
    driver.ensure_password(&login(password)).await
}

#[tokio::test]
async fn a_password_is_set_once_with_its_etag_and_proven_by_a_login_with_it() {
    for has_sessions in [true, false] {
        let bmc = Bmc::start().await;
        bmc.state().has_sessions = has_sessions;
        bmc.state().wants_etag = true;
        let driver = bmc.driver(FACTORY, Some(OWN));
        for _ in 0..3 {
            ensure(&driver, OWN).await.expect("it is changed");
        }
        let seen = bmc.state();
        assert_eq!((seen.password.as_str(), seen.failures), (OWN, 0));
        assert_eq!(seen.patches, [Some("\"a\"".to_owned())], "once");
    }
}

#[tokio::test]
async fn whoever_comes_later_finds_out_which_password_it_has_and_puts_it_back() {
    for has_sessions in [true, false] {
        for (had, first, second) in [(FACTORY, OWN, FACTORY), (OWN, FACTORY, OWN), (OWN, OWN, FACTORY)] {
            let bmc = Bmc::start().await;
            bmc.state().has_sessions = has_sessions;
            bmc.state().password = had.into();
            let driver = bmc.driver(first, Some(second));
            ensure(&driver, had).await.expect("it has it");
            assert_eq!(bmc.state().failures, u32::from(first != had), "each is tried once at most");
            assert!(bmc.state().patches.is_empty(), "nothing was to be done");
            let other = if had == OWN { FACTORY } else { OWN };
            ensure(&driver, other).await.expect("it is changed");
            assert_eq!(bmc.state().password, other);
            assert_eq!(bmc.state().failures, u32::from(first != had));
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_is_resolved_by_a_login() {
    let bmc = Bmc::start().await;
    bmc.state().change = Change::Lost;
    let driver = bmc.driver(FACTORY, Some(OWN));
    ensure(&driver, OWN).await.expect("it was changed, as a login shows");
    assert_eq!(bmc.counts(), (1, 0));
}

#[tokio::test]
async fn a_change_behind_the_back_of_a_session_is_seen_before_anything_is_set() {
    let bmc = Bmc::start().await;
    let driver = bmc.driver(FACTORY, Some(OWN));
    driver.client.members("/redfish/v1/Systems").await.expect("logged in with the old one");
    // An earlier attempt of ours, whose end nobody saw.
    bmc.state().password = OWN.into();
    ensure(&driver, OWN).await.expect("it has it");
    assert_eq!(bmc.counts(), (0, 1));
}

#[tokio::test]
async fn a_bmc_that_refuses_or_lies_keeps_its_host_and_shows_no_password() {
    for (change, kind, word) in [
        (Change::Refused, ErrorKind::Permanent, "not to the taste"),
        (Change::Ignored, ErrorKind::Transient, "a login with it is refused"),
    ] {
        let bmc = Bmc::start().await;
        bmc.state().change = change;
        let driver = bmc.driver(FACTORY, Some(OWN));
        let error = ensure(&driver, OWN).await.expect_err("it does not");
        let text = format!("{error} {error:?}");
        assert_eq!(error.kind(), kind, "{text}");
        assert!(text.contains(word) && !text.contains(OWN) && !text.contains(FACTORY), "{text}");
        driver.client.members("/redfish/v1/Systems").await.expect("the old one is good");
        let seen = bmc.state();
        assert_eq!(seen.password, FACTORY);
        assert!(seen.failures <= 1 && seen.patches.len() == 1, "{} failures", seen.failures);
    }
}

#[tokio::test]
async fn what_it_cannot_do_is_said_before_anything_is_sent() {
    let bmc = Bmc::start().await;
    bmc.state().has_accounts = false;
    let error = ensure(&bmc.driver(FACTORY, Some(OWN)), OWN).await.expect_err("it cannot");
    assert!(error.to_string().contains("no AccountService"), "{error}");
    bmc.state().has_accounts = true;
    bmc.state().most = 12;
    let error = ensure(&bmc.driver(FACTORY, Some(OWN)), OWN).await.expect_err("it is too long");
    assert!(error.to_string().contains("8 to 12 characters"), "{error}");
    let stranger = Login { user: "nobody".into(), password: OWN.into() };
    let error = bmc.driver(FACTORY, None).ensure_password(&stranger).await.expect_err("no such account");
    assert_eq!(error.kind(), ErrorKind::Permanent, "{error}");
    assert!(bmc.state().patches.is_empty());
}

#[tokio::test]
async fn a_bmc_that_takes_neither_is_left_alone_for_a_while() {
    for has_sessions in [true, false] {
        let bmc = Bmc::start().await;
        bmc.state().has_sessions = has_sessions;
        bmc.state().password = "by-hand".into();
        let driver = bmc.driver(OWN, Some(FACTORY));
        for _ in 0..20 {
            let error = driver.client.members("/redfish/v1/Systems").await.expect_err("it is locked out");
            assert!(matches!(&error, Error::Refused { .. }), "{error:?}");
        }
        assert_eq!(bmc.state().failures, 2, "each once, of twenty calls; sessions: {has_sessions}");
        tokio::time::pause();
        advance(super::super::logins::LEFT_ALONE).await;
        tokio::time::resume();
        bmc.state().password = FACTORY.into();
        driver.client.members("/redfish/v1/Systems").await.expect("it was mended by hand");
    }
}
