//! How a driver logs in.

use secrecy::ExposeSecret;
use underlay_core::SecretString;

/// Somebody's user and password at a BMC or a webhook.
#[derive(Clone, Debug)]
pub struct Login {
    /// Who logs in; IPMI allows 16 bytes.
    pub user: String,
    /// Never shown; IPMI 2.0 allows 20 bytes.
    pub password: SecretString,
}

impl PartialEq for Login {
    fn eq(&self, other: &Self) -> bool {
        self.user == other.user && self.password.expose_secret() == other.password.expose_secret()
    }
}
