//! The password of its own that a host's BMC is given in place of the credential's: what is shown of it, and where the
//! password lies.
//!
//! It is drawn and sealed before the BMC hears of it, and never drawn anew while there is one: what a BMC may have is never
//! overwritten. It is dropped only once the BMC was logged in to with the credential's again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The name under which it is sealed with its host.
pub const OWN_PASSWORD: &str = "own_password";

/// What is known of the password of its own that a host's BMC has, or may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnPassword {
    /// Whose it is on the BMC.
    pub user: String,
    /// Since when it is known that the BMC takes it. Until then it has this one or the credential's, and both are tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}
