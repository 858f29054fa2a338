//! Derives a Terraform schema and its codec from a struct: fields are attributes, doc comments are the documentation.
//!
//! | file | what |
//! |---|---|
//! | `options.rs` | reads `#[tf(...)]` and refuses combinations that mean nothing |
//! | `field.rs` | one field: its name, documentation, type and options |
//! | `expand.rs` | writes the implementation |

mod expand;
mod field;
mod options;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a struct a schema.
///
/// Every field has the type `Attr<T>`, a doc comment (Markdown, shown in the provider's documentation), and says who sets it:
///
/// | `#[tf(...)]` | meaning |
/// |---|---|
/// | `required` | the configuration must set it |
/// | `optional` | the configuration may set it |
/// | `computed` | the provider sets it; with `optional`, only where the configuration does not |
/// | `default = EXPR` | optional; this value where the configuration has none |
/// | `sensitive` | hidden in plans |
/// | `write_only` | read from the configuration, never stored in plan or state |
/// | `requires_replace` | a change of it replaces the object |
/// | `keep` | computed; planned as it was before, instead of unknown, when something else changes |
/// | `validate = EXPR` | a `Fn(&T) -> Result<(), String>`; may be repeated |
/// | `modify = EXPR` | a plan modifier, `Fn(&mut Modification)`; may be repeated |
/// | `deprecated = "..."` | warns, and says what to use instead |
/// | `variadic` | in the arguments of a function: the last field, `Attr<Vec<T>>`, takes all further arguments |
/// | `name = "..."` | another name than the field's |
///
/// The doc comment of the struct describes the resource, data source or function.
#[proc_macro_derive(Schema, attributes(tf))]
pub fn derive_schema(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::schema(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}
