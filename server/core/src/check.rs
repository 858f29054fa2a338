//! What looking at a BMC brought: which of our wishes it can grant, and why not.
//!
//! Nothing was changed to find that out. What is said of a wish is what the BMC lists and what is known of its make; that
//! it does as it says shows when it is asked to.

use std::time::Duration;

use crate::{Object, SecretString, host};

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Check {
    /// Where it was asked.
    pub address: String,
    /// Whose table of quirks it is driven by.
    pub make: String,
    /// How it was logged in to: `session` or `basic`.
    pub login: &'static str,
    /// SHA-256 of the certificate it shows, hex, where it is one to be pinned.
    pub certificate: Option<String>,
    /// Our wishes.
    pub findings: Vec<Finding>,
    /// Everything that was read, in order.
    pub looked: Vec<Looked>,
    /// What was read, as JSON from which everything is taken that names a machine or a person; the simulator replays it.
    pub recording: String,
}

/// One of our wishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub what: &'static str,
    /// Can it be granted?
    pub works: Works,
    /// What says so, or what stands in the way.
    pub why: String,
}

/// Can a wish be granted?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Works {
    /// As far as it says.
    Yes,
    /// No.
    No,
    /// It does not say.
    Unknown,
}

impl Works {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Works::Yes => "yes",
            Works::No => "no",
            Works::Unknown => "unknown",
        }
    }
}

/// One thing that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// Its path.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
    /// How long the answer took.
    pub took: Duration,
}

/// Whose BMC is looked at.
#[derive(Clone, Debug)]
pub enum Whose {
    /// A host's, with the login and the pin that it has.
    Host(Box<Object<host::Host>>),
    /// One that no host has yet; the login is used for this and kept nowhere.
    Nobodys {
        /// Where and how.
        redfish: host::Redfish,
        /// User.
        user: String,
        /// Password.
        password: SecretString,
    },
}
