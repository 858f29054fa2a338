//! A step that somebody behind a URL does: one POST of JSON, and the little that is read of the answer.
//!
//! ```json
//! {"step": "register", "when": "post_deploy", "attempt": 1, "machine": {..}, "host": {..}, "facts": {..},
//!  "inputs": {"rack": "r1"}}
//! ```
//!
//! `Idempotency-Key` is the same for every try of one step in one deployment. A status of 2xx says that it is done; the answer
//! is empty or `{"outputs": {..}}`. The login goes to this origin only; redirects are not followed.

use std::time::Duration;

use reqwest::header;
use secrecy::ExposeSecret;
use serde::Deserialize;
use underlay_core::{Cause, profile::Values, step::Result};

use super::{
    Job,
    runner::{Came, bounded},
};
use crate::{bmc::Login, webhook};

/// The largest answer that is read.
const LARGEST: usize = 64 << 10;
/// What is shown of an answer that refuses.
const SHOWN: usize = 300;
const CONNECT: Duration = Duration::from_secs(10);

#[derive(Default, Deserialize)]
struct Answer {
    #[serde(default)]
    outputs: Values,
}

/// Calls it once.
pub(super) async fn call(url: &str, login: Option<&Login>, job: &Job) -> Came {
    match ask(url, login, job).await {
        Ok(outputs) => {
            let log = format!("done, with {} outputs\n", outputs.len());
            Came { result: Result::Done { outputs }, log }
        }
        Err(why) => Came::failed(why),
    }
}

async fn ask(url: &str, login: Option<&Login>, job: &Job) -> std::result::Result<Values, String> {
    let url: reqwest::Url = url.parse().map_err(|_| "its URL is none".to_owned())?;
    // The rest of a URL may be a secret.
    let address = url.origin().ascii_serialization();
    let http = webhook::client(&url, CONNECT, job.limit)?;
    let body = serde_json::to_vec(&job.told).map_err(|error| error.to_string())?;
    let mut request = http
        .post(url)
        .header(header::CONTENT_TYPE, "application/json")
        .header("Idempotency-Key", job.ticket.idempotency_key())
        .body(body);
    if let Some(login) = login {
        let secret = login.password.expose_secret();
        request = match login.user.as_str() {
            "" => request.bearer_auth(secret),
            user => request.basic_auth(user, Some(secret)),
        };
    }
    let lost = |error: reqwest::Error| format!("{address}: {}", Cause::of(&error.without_url()));
    let mut response = request.send().await.map_err(lost)?;
    let status = response.status();
    let mut said = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        if said.len() + chunk.len() > LARGEST {
            return Err(format!("{address} answered {status} with more than {LARGEST} bytes"));
        }
        said.extend_from_slice(&chunk);
    }
    if !status.is_success() {
        let text = bounded(String::from_utf8_lossy(&said).trim(), SHOWN).replace('\n', " ");
        let text = if text.is_empty() { text } else { format!(": {text}") };
        return Err(format!("{address} answered {status}{text}"));
    }
    if said.trim_ascii().is_empty() {
        return Ok(Values::new());
    }
    let answer = serde_json::from_slice::<Answer>(&said);
    answer
        .map(|answer| answer.outputs)
        .map_err(|error| format!("{address} answered what cannot be read: {error}"))
}
