//! The schema of `underlay_profile`.

use std::collections::BTreeMap;

use tfplugin::{Attr, Schema, Timeouts, cty::Value};

use crate::{resources::object::valid_name, values};

/// Typed attributes that are injected into machines, and the files that are made of them.
///
/// A machine names its profiles. What an attribute is says the machine itself, else the first of its profiles that gives it, else
/// its pool, else its site; `underlay explain machine/NAME --values` shows who. All of it is checked when it is planned.
///
/// The installed system finds its values in `/etc/underlay/values.json`, those that are secret in `/etc/underlay/secrets.json`,
/// which only root reads.
#[derive(Debug, Clone, Default, Schema)]
pub struct Model {
    /// The server's id.
    #[tf(computed, keep)]
    pub id: Attr<String>,
    /// Changes when the profile is created anew under the same name.
    #[tf(computed, keep)]
    pub incarnation: Attr<String>,
    /// Name.
    #[tf(required, requires_replace, validate = valid_name)]
    pub name: Attr<String>,
    /// The attributes there are, by name.
    #[tf(required)]
    pub schema: Attr<BTreeMap<String, Declaration>>,
    /// What they are where the machine, and the profiles before this one, say nothing. One value for each, of any type.
    #[tf(optional, validate = values::valid)]
    pub values: Attr<Value>,
    /// Values of secret attributes; in no plan and no state.
    #[tf(optional, write_only, sensitive)]
    pub secret_values_wo: Attr<Value>,
    /// Raise it whenever one of `secret_values_wo` changes.
    #[tf(optional)]
    pub secret_values_version: Attr<i64>,
    /// Files that are written into the installed system, by absolute path. Of two profiles with one path the first wins.
    #[tf(optional)]
    pub files: Attr<BTreeMap<String, File>>,
    /// Where it stands: `defined` once machines can name it.
    #[tf(computed)]
    pub phase: Attr<String>,
    /// How long operations may take.
    #[tf(optional)]
    pub timeouts: Attr<Timeouts>,
}

/// An attribute.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Declaration {
    /// `string`, `number`, `bool`, or `list(T)` or `map(T)` of one of these.
    #[tf(required, name = "type")]
    pub ty: Attr<String>,
    /// A machine for which nobody gives it is refused.
    #[tf(optional)]
    pub required: Attr<bool>,
    /// Its value is sealed and never shown; it is given in `secret_values_wo`.
    #[tf(optional)]
    pub secret: Attr<bool>,
    /// What it is for.
    #[tf(optional)]
    pub description: Attr<String>,
}

/// A file of the installed system; with `content` or with `template`.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct File {
    /// What is in it, as it is.
    #[tf(optional)]
    pub content: Attr<String>,
    /// What is in it, with places for values: `{{name}}`, `{{json name}}`, `{{shell name}}`, and the sections of Mustache,
    /// `{{#name}}...{{.}}...{{/name}}` for each element of a list and `{{^name}}...{{/name}}` where there is none.
    #[tf(optional)]
    pub template: Attr<String>,
    /// Permissions, octal; left out, `0644`.
    #[tf(optional)]
    pub mode: Attr<String>,
    /// `USER:GROUP`; left out, `root:root`.
    #[tf(optional)]
    pub owner: Attr<String>,
}
