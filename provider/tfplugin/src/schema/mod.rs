//! Schemas: what a resource, data source, ephemeral resource, provider or function takes and gives.
//!
//! | file | what |
//! |---|---|
//! | `attr.rs` | [`Attr`]: null, unknown or a value |
//! | `types.rs` | [`AttrType`]: which Rust types an attribute can have |
//! | `attribute.rs` | [`Attribute`]: one attribute, its flags and rules |
//! | `block.rs` | [`Block`]: all attributes of one object, and [`Schema`], the trait that `#[derive(Schema)]` implements |
//! | `decode.rs` | fields of an object, for derived code |
//! | `validate.rs` | ready-made validators |
//! | `modify.rs` | plan modifiers |
//! | `wire.rs` | the protocol's form |
//!
//! The struct is the schema: fields are attributes, their doc comments are the documentation.

mod attr;
mod attribute;
mod block;
mod decode;
mod modify;
mod types;
pub mod validate;
mod wire;

pub use attr::{Attr, NotKnown};
pub use attribute::{Attribute, Flag, Presence, Validator};
pub use block::{Block, Schema};
pub use decode::{Fields, into_fields};
pub use modify::{Modification, Modifier};
pub use types::{AttrType, Nesting, Shape};
