//! Documentation from schemas, in the layout of the Terraform and OpenTofu registries.
//!
//! | file | what |
//! |---|---|
//! | `pages.rs` | [`render`]: which pages there are, and what stands on them |
//! | `schema.rs` | the "Schema" section |
//!
//! The struct and its doc comments are the only source, so documentation cannot lag behind the code. Examples are files.

mod pages;
mod schema;

pub use pages::render;
