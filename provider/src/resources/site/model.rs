//! The schema of `underlay_site`.

use tfplugin::{Attr, Schema, Timeouts, cty::Value};

use crate::{resources::object::valid_name, values};

/// A place, and what the attributes of its machines are where nobody closer to them says otherwise.
#[derive(Debug, Clone, Default, Schema)]
pub struct Model {
    /// The server's id.
    #[tf(computed, keep)]
    pub id: Attr<String>,
    /// Changes when the site is created anew under the same name.
    #[tf(computed, keep)]
    pub incarnation: Attr<String>,
    /// Name: that of the `site` in the provider block, `default` where it says none.
    #[tf(required, requires_replace, validate = valid_name)]
    pub name: Attr<String>,
    /// Values of attributes, for every machine of the site whose profiles declare them; pools, profiles and the machine itself
    /// overrule them.
    #[tf(optional, validate = values::valid)]
    pub values: Attr<Value>,
    /// Where it stands: `known` once its values count.
    #[tf(computed)]
    pub phase: Attr<String>,
    /// How long operations may take.
    #[tf(optional)]
    pub timeouts: Attr<Timeouts>,
}
