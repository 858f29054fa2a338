//! A webhook on the loopback that switches a host which is a line of memory, and writes down what it was sent.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// The host, and what it was told.
#[derive(Default)]
pub(super) struct Told {
    pub(super) power: String,
    pub(super) next_boot: String,
    /// Each body, in order.
    pub(super) bodies: Vec<Value>,
    /// What the last request was authorised with.
    pub(super) authorization: Option<String>,
    /// Answer everything with this.
    pub(super) answer: Option<(u16, String)>,
}

pub(super) struct Webhook {
    pub(super) address: SocketAddr,
    told: Arc<Mutex<Told>>,
    task: JoinHandle<()>,
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Webhook {
    pub(super) async fn start() -> Self {
        let told =
            Arc::new(Mutex::new(Told { power: "off".into(), next_boot: "disk".into(), ..Told::default() }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().fallback(any(hear)).with_state(told.clone());
        let task = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        Self { address, told, task }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook?key=of-the-url", self.address)
    }

    pub(super) fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().expect("whole")
    }

    /// Answer everything so.
    pub(super) fn answers(&self, status: u16, body: &str) {
        self.told().answer = Some((status, body.into()));
    }

    /// The wishes so far that ask for something.
    pub(super) fn wishes(&self) -> Vec<Value> {
        let told = self.told();
        told.bodies.iter().filter(|body| body["wish"] != "observe").cloned().collect()
    }
}

async fn hear(State(told): State<Arc<Mutex<Told>>>, headers: HeaderMap, body: Bytes) -> Response {
    let mut told = told.lock().expect("whole");
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    told.authorization = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
    told.bodies.push(body.clone());
    if let Some((status, text)) = told.answer.clone() {
        let location = [(header::LOCATION, "http://127.0.0.1:1/elsewhere")];
        return (StatusCode::from_u16(status).unwrap(), location, text).into_response();
    }
    let target = body["target"].as_str().unwrap_or_default().to_owned();
    match body["wish"].as_str() {
        Some("power") => told.power = target,
        Some("next_boot") => told.next_boot = target,
        _ => {}
    }
    json!({ "power": told.power, "next_boot": told.next_boot }).to_string().into_response()
}
