//! Who sets an attribute must be said, and only once.

use tfplugin::{Attr, Schema};

/// Mistakes.
#[derive(Schema)]
struct Model {
    /// Nobody sets it.
    nobody: Attr<String>,
    /// Both set it.
    #[tf(required, computed)]
    both: Attr<String>,
    /// Never used.
    #[tf(required, default = "x")]
    default: Attr<String>,
    /// Stored nowhere.
    #[tf(write_only, computed)]
    secret_wo: Attr<String>,
    /// Never unknown.
    #[tf(optional, keep)]
    kept: Attr<String>,
}

fn main() {}
