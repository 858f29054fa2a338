//! The schema of `underlay_credential`.

use tfplugin::{Attr, Schema, Timeouts};

use crate::resources::object::valid_name;

/// A named secret, such as the login of a BMC.
///
/// The password is sent once, sealed by the server, and in no plan, state or log.
#[derive(Debug, Clone, Default, Schema)]
pub struct Model {
    /// The server's id.
    #[tf(computed, keep)]
    pub id: Attr<String>,
    /// Changes when the credential is created anew under the same name.
    #[tf(computed, keep)]
    pub incarnation: Attr<String>,
    /// Name.
    #[tf(required, requires_replace, validate = valid_name)]
    pub name: Attr<String>,
    /// User name.
    #[tf(optional)]
    pub username: Attr<String>,
    /// The password.
    #[tf(optional, write_only, sensitive)]
    pub password_wo: Attr<String>,
    /// Raise it whenever the password changes.
    #[tf(optional)]
    pub password_wo_version: Attr<i64>,
    /// Where it stands: `stored` once it is sealed.
    #[tf(computed)]
    pub phase: Attr<String>,
    /// How long operations may take.
    #[tf(optional)]
    pub timeouts: Attr<Timeouts>,
}
