//! The roles, and the caller: a name for the logs, a role, and how far it may write.

use std::{fmt, str::FromStr};

use underlay_store::audit::Trail;

use super::Reach;

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
#[derive(Clone, Debug)]
pub struct Caller {
    /// Name of the token, or how else the caller is known.
    pub name: String,
    /// Id of the token, or of the user.
    pub id: String,
    /// What it may do.
    pub role: Role,
    /// How far.
    pub reach: Reach,
    /// May it take the protection from what is protected?
    pub may_unprotect: bool,
    /// What the call leaves in the audit.
    pub(crate) trail: Trail,
}

impl Caller {
    /// Who comes in by the unix socket.
    pub(crate) fn local(uid: Option<u32>) -> Self {
        Self {
            name: "unix socket".into(),
            id: uid.map_or_else(|| "unknown user".into(), |uid| format!("uid {uid}")),
            role: Role::Admin,
            reach: Reach::default(),
            may_unprotect: true,
            trail: Trail::default(),
        }
    }

    /// Name and id, as the audit and those who are held back by the caller's wish are told.
    pub(crate) fn who(&self) -> String {
        format!("{} ({})", self.name, self.id)
    }
}
