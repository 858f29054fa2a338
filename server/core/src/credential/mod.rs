//! Credential: a named secret such as a BMC login. The secret itself is sealed in a table of its own and never read back.

use serde::{Deserialize, Serialize};

use crate::{FieldError, Kind, Noun};

/// The name under which a credential's secret is sealed.
pub const SECRET: &str = "password";

/// Marks credentials in the type system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credential;

impl Noun for Credential {
    const KIND: Kind = Kind::Credential;
    type Spec = Spec;
    type State = State;
    type Status = Status;
}

/// Desired state of a credential, without its secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Who logs in.
    pub username: String,
    /// Raised by the user whenever the secret changes.
    pub secret_version: i64,
}

/// Where a credential stands: it is usable as soon as it is put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Not looked at yet.
    #[default]
    Pending,
    /// Drivers can use it.
    Stored,
}

/// What readers see of a credential.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {}

impl crate::Spec for Spec {
    fn validate(&self) -> Result<(), Vec<FieldError>> {
        if self.username.len() > 256
            || self.username.chars().any(char::is_control)
            || self.username.contains(':')
        {
            let message = "use at most 256 characters, no control characters and no ':' (RFC 7617)";
            return Err(vec![FieldError::new("username", message)]);
        }
        Ok(())
    }
}

impl crate::State for State {
    fn phase(&self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Stored => "stored",
        }
    }

    fn is_settled(&self) -> bool {
        matches!(self, State::Stored)
    }
}
