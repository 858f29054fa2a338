//! Options are spelled as documented, and every attribute is documented.

use tfplugin::{Attr, Schema};

/// Mistakes.
#[derive(Schema)]
struct Model {
    /// Misspelt.
    #[tf(require)]
    misspelt: Attr<String>,
    #[tf(optional)]
    undocumented: Attr<String>,
    /// Named badly.
    #[tf(optional, name = "camelCase")]
    badly: Attr<String>,
}

/// Not a struct with named fields.
#[derive(Schema)]
struct Tuple(Attr<String>);

fn main() {}
