//! By whom a step is done.

use serde::{Deserialize, Serialize};

use crate::FieldError;

/// By whom a step is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// By whoever is behind a URL, which the server calls.
    Webhook(Webhook),
}

/// Whom the server calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Webhook {
    /// `https://HOST/PATH`.
    pub url: String,
    /// Who we are there: a user name and password for HTTP Basic, or a bearer token where it has no user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

impl Work {
    /// The word for it in HCL and texts.
    pub fn as_str(&self) -> &'static str {
        match self {
            Work::Webhook(_) => "webhook",
        }
    }

    pub(super) fn validate(&self, errors: &mut Vec<FieldError>) {
        match self {
            Work::Webhook(webhook) => webhook.validate(errors),
        }
    }
}

impl Webhook {
    fn validate(&self, errors: &mut Vec<FieldError>) {
        let known = ["https://", "http://"].iter().find_map(|scheme| self.url.strip_prefix(scheme));
        let authority = known.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
        if authority.is_empty()
            || self.url.len() > 2048
            || self.url.chars().any(|c| c.is_control() || c == ' ')
        {
            errors.push(FieldError::new("webhook.url", "write it as https://HOST/PATH"));
        } else if authority.contains('@') {
            let message = "has a login in it, which everybody reads; name a credential";
            errors.push(FieldError::new("webhook.url", message));
        }
    }
}
