//! The roles, and the caller: a name for the logs, a role, and the one owner it may write as.

use std::{fmt, str::FromStr};

use underlay_core::{Key, Name};

use crate::errors::Error;

/// What a token is good for; each role may do what the ones after it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Everything, tokens included.
    Admin,
    /// Hosts, networks, credentials and power.
    Operator,
    /// Machines and images.
    Tenant,
    /// Reads.
    Viewer,
}

impl Role {
    /// Every role, the mightiest first.
    pub const ALL: [Role; 4] = [Role::Admin, Role::Operator, Role::Tenant, Role::Viewer];

    /// The word used in the API and in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::Operator => "operator",
            Role::Tenant => "tenant",
            Role::Viewer => "viewer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        Role::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or("use one of \"admin\", \"operator\", \"tenant\", \"viewer\"")
    }
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Name of the token, or how else the caller is known.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The only owner it may write as; `None` allows every owner.
    pub owner: Option<Name>,
}

impl Caller {
    /// Who comes in by the unix socket.
    pub(crate) fn local() -> Self {
        Self { name: "unix socket".into(), role: Role::Admin, owner: None }
    }

    /// May it write objects of that owner?
    pub(crate) fn may_write(&self, key: &Key) -> bool {
        self.owner.as_ref().is_none_or(|owner| *owner == key.owner)
    }

    /// The same, as a check that a handler begins with.
    pub(crate) fn must_write(&self, key: &Key) -> Result<(), Error> {
        if self.may_write(key) {
            return Ok(());
        }
        let owner = self.owner.as_ref().map(Name::as_str).unwrap_or_default();
        Err(Error::Denied(format!(
            "token \"{}\" may write as owner {owner} only, not as {}; set owner = \"{owner}\" in the provider block, \
             or ask an admin for a token of owner {}",
            self.name, key.owner, key.owner
        )))
    }
}
