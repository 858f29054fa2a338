//! What names an object: its kind, its id, its key and its incarnation.
//!
//! An id never changes and is never used again. An incarnation is minted by each Create: whoever holds an older one
//! can neither read nor delete the object.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The nouns that are objects in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One physical or virtual box that can be powered and booted.
    Host,
    /// A boot network.
    Network,
    /// A named secret.
    Credential,
    /// An operating system image.
    Image,
    /// The claim on one host plus what runs on it.
    Machine,
    /// Where machines come from.
    Pool,
    /// Typed attributes that are injected into machines.
    Profile,
    /// A place.
    Site,
    /// A piece of work of the shop's own, before or after a deployment.
    Step,
}

impl Kind {
    /// Every kind, in the order in which they are listed to people.
    pub const ALL: [Kind; 9] = [
        Kind::Site,
        Kind::Pool,
        Kind::Host,
        Kind::Network,
        Kind::Credential,
        Kind::Image,
        Kind::Profile,
        Kind::Step,
        Kind::Machine,
    ];

    /// The word used in SQL, logs, the command line and error texts.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Host => "host",
            Kind::Network => "network",
            Kind::Credential => "credential",
            Kind::Image => "image",
            Kind::Machine => "machine",
            Kind::Pool => "pool",
            Kind::Profile => "profile",
            Kind::Site => "site",
            Kind::Step => "step",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no kind.
#[derive(Debug, thiserror::Error)]
#[error(
    "\"{0}\" is not a kind of object; there are site, pool, host, network, credential, image, profile, step and machine"
)]
pub struct UnknownKind(String);

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let singular = text.strip_suffix('s').unwrap_or(text);
        Kind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == singular)
            .ok_or_else(|| UnknownKind(text.chars().take(40).collect()))
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh id, ordered by time (UUID version 7).
            #[allow(clippy::new_without_default)]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map(Self)
            }
        }
    )*};
}

ids! {
    /// The id of any object; the kind says of what.
    ObjectId;
    /// The token minted by each Create of an object.
    Incarnation;
    /// The id of one durable run of work on one object.
    OperationId;
}

/// The name under which an object is found: unique per kind among living objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The place, `default` unless said otherwise.
    pub site: Name,
    /// The namespace of one Terraform state's objects.
    pub owner: Name,
    /// The object's own name.
    pub name: Name,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.site, self.owner, self.name)
    }
}

/// A name: 1 to 253 characters of `a-z 0-9 . - _`, starting and ending with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// The text is not a name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "\"{0}\" is not a name: use 1 to 253 of a-z, 0-9, '.', '-' and '_', beginning and ending with a letter or digit"
)]
pub struct BadName(String);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Name {
    fn default() -> Self {
        Self("default".into())
    }
}

impl TryFrom<String> for Name {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let good = text.len() <= 253
            && text.chars().all(|c| alphanumeric(c) || matches!(c, '.' | '-' | '_'))
            && text.chars().next().is_some_and(alphanumeric)
            && text.chars().next_back().is_some_and(alphanumeric);
        if good { Ok(Self(text)) } else { Err(BadName(text.chars().take(60).collect())) }
    }
}

impl FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        text.to_owned().try_into()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_escape_a_path_or_a_script_are_refused() {
        for text in ["", "a/b", "..", "-a", "a-", "A", "a b", "a\n", "ü"] {
            assert!(text.parse::<Name>().is_err(), "{text:?}");
        }
        for text in ["a", "web-0", "r1u7", "debian-12.7", "a_b"] {
            assert!(text.parse::<Name>().is_ok(), "{text:?}");
        }
    }

    #[test]
    fn a_kind_is_read_in_singular_and_plural() {
        assert_eq!("hosts".parse::<Kind>().ok(), Some(Kind::Host));
        assert!("rack".parse::<Kind>().is_err());
    }
}
