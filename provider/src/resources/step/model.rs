//! The schema of `underlay_step`.

use std::collections::BTreeMap;

use tfplugin::{Attr, Schema, Timeouts, cty::Value, schema::validate, timeouts};

use crate::{resources::object::valid_name, values};

/// A piece of work of the shop's own that is done before or after a machine is deployed.
///
/// Pools and machines name steps in `steps`; those of the pool come first. Each has its own time, is tried as often as `retry`
/// says, and stands with what became of it in `underlay explain machine/NAME`; what it said is in `underlay logs machine/NAME`.
#[derive(Debug, Clone, Default, Schema)]
pub struct Model {
    /// The server's id.
    #[tf(computed, keep)]
    pub id: Attr<String>,
    /// Changes when the step is created anew under the same name.
    #[tf(computed, keep)]
    pub incarnation: Attr<String>,
    /// Name.
    #[tf(required, requires_replace, validate = valid_name)]
    pub name: Attr<String>,
    /// It is done by whoever is behind a URL, which the server calls.
    #[tf(optional)]
    pub webhook: Attr<Webhook>,
    /// What goes in, by name: what a step before it gave, else the machine's attribute of that name, else what `values` says.
    /// It is shown and logged, so nothing secret goes in.
    #[tf(optional)]
    pub inputs: Attr<BTreeMap<String, Declaration>>,
    /// What goes in where nobody else gives it. One value for each, of the type that `inputs` declares.
    #[tf(optional, validate = values::valid)]
    pub values: Attr<Value>,
    /// What comes out, by name; anything else that comes out is a failure.
    #[tf(optional)]
    pub outputs: Attr<BTreeMap<String, Declaration>>,
    /// How long one try may take, such as `90s` or `1h`; then it is stopped.
    #[tf(default = "10m", validate = timeouts::valid)]
    pub timeout: Attr<String>,
    /// How often it is tried. Left out: once.
    #[tf(optional)]
    pub retry: Attr<Retry>,
    /// What becomes of the machine where no try went well: it fails (`fail`), it fails and its host is set aside (`quarantine`),
    /// or it goes on and the failure is on record (`continue`).
    #[tf(default = "fail", validate = validate::one_of(&["fail", "quarantine", "continue"]))]
    pub on_failure: Attr<String>,
    /// Where it stands: `defined` once pools and machines can name it.
    #[tf(computed)]
    pub phase: Attr<String>,
    /// How long operations may take.
    #[tf(optional)]
    pub timeouts: Attr<Timeouts>,
}

/// A POST of JSON by the server: the machine, its host, the facts its agent found, and the inputs. A status of 2xx says that it
/// is done; the answer may hold `{"outputs": {...}}`.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Webhook {
    /// `https://HOST/PATH`.
    #[tf(required)]
    pub url: Attr<String>,
    /// Name of an `underlay_credential`: HTTP Basic, or a bearer token where it has no user name.
    #[tf(optional)]
    pub credential: Attr<String>,
}

/// An input or output.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Declaration {
    /// `string`, `number`, `bool`, or `list(T)` or `map(T)` of one of these.
    #[tf(required, name = "type")]
    pub ty: Attr<String>,
    /// Without it the step is not begun, or has failed.
    #[tf(optional)]
    pub required: Attr<bool>,
    /// What it is for.
    #[tf(optional)]
    pub description: Attr<String>,
}

/// How often a step is tried. A try of which nobody knows how it ended, because the server was stopped meanwhile, counts: what
/// may not be done twice has `attempts = 1`.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Retry {
    /// Tries in all.
    #[tf(default = 1, validate = validate::between(1..=20))]
    pub attempts: Attr<i64>,
    /// The pause before the second, which doubles with each.
    #[tf(default = "10s", validate = timeouts::valid)]
    pub backoff: Attr<String>,
}
