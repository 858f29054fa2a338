//! A BMC that was recorded somewhere (`underlay host check --record`): it answers as the real one did, may be logged in to,
//! and changes nothing.

use std::collections::BTreeMap;

use http::{HeaderName, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::{reply::Reply, service::Request};

/// The form of a recording that is read here.
const FORMAT: u64 = 1;
/// A recording is not larger than this, in bytes.
const LARGEST: usize = 32 << 20;

/// A recording.
#[derive(Clone, Debug, Deserialize)]
pub struct Recorded {
    underlay_recording: u64,
    resources: BTreeMap<String, Resource>,
}

#[derive(Clone, Debug, Deserialize)]
struct Resource {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Value,
}

/// The file is no recording.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not JSON of the form.
    #[error("it is no recording")]
    Form(#[from] serde_json::Error),
    /// Of another form.
    #[error("it is of form {0}; this is form {FORMAT}")]
    Version(u64),
    /// Too large, or without a service root.
    #[error("{0}")]
    Content(&'static str),
}

impl Recorded {
    /// Reads one.
    ///
    /// # Errors
    /// It is none.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > LARGEST {
            return Err(Error::Content("it is larger than 32 MiB"));
        }
        let read: Self = serde_json::from_slice(bytes)?;
        if read.underlay_recording != FORMAT {
            return Err(Error::Version(read.underlay_recording));
        }
        let resources = read.resources.into_iter();
        let resources: BTreeMap<_, _> =
            resources.map(|(path, resource)| (path.trim_end_matches('/').to_owned(), resource)).collect();
        if !resources.contains_key("/redfish/v1") {
            return Err(Error::Content("it has no service root"));
        }
        Ok(Self { resources, ..read })
    }

    /// Where sessions are opened, as the service root says.
    pub(super) fn is_login(&self, path: &str) -> bool {
        let root = self.resources.get("/redfish/v1").map(|root| &root.body);
        let sessions = root.and_then(|root| root.pointer("/Links/Sessions/@odata.id")?.as_str());
        sessions.is_some_and(|sessions| sessions.trim_end_matches('/') == path)
    }

    pub(super) fn answer(&self, request: &Request<'_>) -> Reply {
        if !request.is_get() {
            return Reply::not_allowed();
        }
        let Some(resource) = self.resources.get(&request.path) else { return Reply::missing(&request.path) };
        let status = StatusCode::from_u16(resource.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut reply = Reply { status, ..Reply::ok(resource.body.clone()) };
        for (name, value) in &resource.headers {
            if let Ok(name) = name.parse::<HeaderName>() {
                reply = reply.with(name, value.clone());
            }
        }
        reply
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_recording_is_refused_in_words() {
        for (text, why) in [
            ("", "it is no recording"),
            ("{}", "it is no recording"),
            ("{\"underlay_recording\": 2, \"resources\": {}}", "it is of form 2; this is form 1"),
            ("{\"underlay_recording\": 1, \"resources\": {}}", "it has no service root"),
        ] {
            assert_eq!(Recorded::read(text.as_bytes()).unwrap_err().to_string(), why);
        }
    }
}
