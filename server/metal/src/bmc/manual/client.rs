//! Requests to one webhook: a POST of JSON, and the little that is read of the answer.
//!
//! ```json
//! {"site": "default", "owner": "default", "host": "r1", "identity": {"boot_mac": "52:54:00:00:00:01"},
//!  "wish": "power", "target": "on"}
//! ```
//!
//! Wishes: `observe`; `power` with target `on` or `off`; `next_boot` with target `network` or `disk` and `mode` `uefi` or
//! `bios`; `forget`. A status of 2xx accepts. The answer may be empty, or say what is known:
//! `{"power": "on", "next_boot": "disk"}`, both optional, power `on`, `off` or `unknown`.
//!
//! The login goes to this origin only; redirects are not followed.

use std::time::Duration;

use reqwest::{StatusCode, header};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use underlay_core::{
    Cause, Key,
    bmc::{Error, Power, Target},
    host::{Firmware, Identity},
};

use super::super::Login;
use crate::webhook;

/// The largest answer that is read.
const LARGEST: usize = 16 << 10;
const CONNECT: Duration = Duration::from_secs(5);
/// Whoever has more to do than fits says so, and is asked again.
const REQUEST: Duration = Duration::from_secs(20);

/// Speaks to one webhook about one host.
pub(super) struct Client {
    http: reqwest::Client,
    url: reqwest::Url,
    /// Its origin: the rest of a URL may be a secret.
    address: String,
    login: Option<Login>,
    about: About,
}

/// Which host a wish is about.
#[derive(Clone, Debug, Serialize)]
struct About {
    site: String,
    owner: String,
    host: String,
    identity: Identity,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(flatten)]
    about: &'a About,
    #[serde(flatten)]
    wish: Wish,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "wish", rename_all = "snake_case")]
pub(super) enum Wish {
    /// Say how the host is.
    Observe,
    /// Have it on or off.
    Power {
        /// Which.
        target: Power,
    },
    /// Have it start from there.
    NextBoot {
        /// From where.
        target: From,
        /// In which firmware mode.
        mode: Firmware,
    },
    /// The host is not ours any more.
    Forget,
}

/// What to start from, in the words of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum From {
    /// The network, once.
    Network,
    /// Its own disk.
    Disk,
}

impl From {
    pub(super) fn of(target: Target) -> Self {
        match target {
            Target::NetworkOnce | Target::HttpOnce | Target::MediaOnce => From::Network,
            Target::Disk => From::Disk,
        }
    }

    pub(super) fn target(self) -> Target {
        match self {
            From::Network => Target::NetworkOnce,
            From::Disk => Target::Disk,
        }
    }
}

/// What a webhook may say of the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    pub(super) power: Option<Power>,
    #[serde(default)]
    pub(super) next_boot: Option<From>,
}

impl Client {
    /// A client for the host of that name; nothing is contacted.
    pub(super) fn new(
        address: &str,
        login: Option<Login>,
        key: &Key,
        identity: &Identity,
    ) -> Result<Self, Error> {
        let invalid = |why: String| Error::Invalid(format!("manual.webhook: {why}"));
        let url: reqwest::Url = address.parse().map_err(|_| invalid("it is no URL".into()))?;
        let http = webhook::client(&url, CONNECT, REQUEST).map_err(invalid)?;
        let about = About {
            site: key.site.to_string(),
            owner: key.owner.to_string(),
            host: key.name.to_string(),
            identity: identity.clone(),
        };
        let address = origin(&url);
        Ok(Self { http, url, address, login, about })
    }

    /// Where it is, without what may be secret of its URL.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Tell it a wish.
    pub(super) async fn tell(&self, wish: Wish) -> Result<Answer, Error> {
        let body = serde_json::to_vec(&Body { about: &self.about, wish })
            .map_err(|error| Error::Local { wish: "write a wish".into(), source: Box::new(error) })?;
        let mut request =
            self.http.post(self.url.clone()).header(header::CONTENT_TYPE, "application/json").body(body);
        if let Some(login) = &self.login {
            request = request.basic_auth(&login.user, Some(login.password.expose_secret()));
        }
        let mut response = request.send().await.map_err(|error| self.lost(error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(self.complaint(status, wish));
        }
        let mut said = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.lost(error))? {
            if said.len() + chunk.len() > LARGEST {
                return Err(self.nonsense(wish, format!("the answer is longer than {LARGEST} bytes")));
            }
            said.extend_from_slice(&chunk);
        }
        if said.trim_ascii().is_empty() {
            return Ok(Answer::default());
        }
        serde_json::from_slice(&said).map_err(|error| self.nonsense(wish, error.to_string()))
    }

    fn complaint(&self, status: StatusCode, wish: Wish) -> Error {
        let (address, why) = (self.address.clone(), status.to_string());
        match status.as_u16() {
            300..=399 => self.nonsense(wish, format!("{why}: redirects are not followed")),
            401 | 403 | 407 => Error::Refused { address, why },
            404 | 405 | 410 | 501 => Error::Unsupported { address, wish: wish.in_words().into(), why },
            408 | 409 | 423 | 425 | 429 | 502..=504 => Error::Busy { address, why },
            _ => self.nonsense(wish, why),
        }
    }

    fn nonsense(&self, wish: Wish, why: String) -> Error {
        Error::Nonsense { address: self.address.clone(), request: wish.in_words().into(), why }
    }

    fn lost(&self, error: reqwest::Error) -> Error {
        let source = Cause::of(&error.without_url());
        Error::Unreachable { address: self.address.clone(), source: Some(Box::new(source)) }
    }
}

impl Wish {
    fn in_words(self) -> &'static str {
        match self {
            Wish::Observe => "say how the host is",
            Wish::Power { target: Power::On } => "switch the host on",
            Wish::Power { .. } => "switch the host off",
            Wish::NextBoot { .. } => "set what the host starts from",
            Wish::Forget => "forget the host",
        }
    }
}

/// Scheme, host and port of a webhook; the whole of it where it is no URL.
pub(super) fn origin(url: &reqwest::Url) -> String {
    url.origin().ascii_serialization()
}
