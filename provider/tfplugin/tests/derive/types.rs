//! Attributes are `Attr<T>` of a type that Terraform has.

use tfplugin::{Attr, Schema};

/// A bare type has no room for null and unknown.
#[derive(Schema)]
struct Bare {
    /// Name.
    #[tf(required)]
    name: String,
}

/// A type that Terraform does not have.
#[derive(Schema)]
struct Foreign {
    /// When.
    #[tf(optional)]
    when: Attr<std::time::Instant>,
}

fn main() {}
