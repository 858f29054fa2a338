//! The function `shout`.

use tfplugin::{Attr, Function, Schema, function};

/// Writes words in capitals, joined.
#[derive(Debug, Clone, Schema)]
pub struct Args {
    /// What joins them.
    #[tf(required)]
    pub separator: Attr<String>,
    /// The words.
    #[tf(optional, variadic)]
    pub words: Attr<Vec<String>>,
}

/// The function.
pub struct Shout;

impl Function for Shout {
    type Args = Args;
    type Output = String;

    fn name(&self) -> &'static str {
        "shout"
    }

    fn call(&self, args: Args) -> Result<String, function::Error> {
        let words = args.words.unwrap_or_default();
        if words.is_empty() {
            return Err(function::Error::new("nothing to shout").parameter("words"));
        }
        Ok(words.join(args.separator.as_str()).to_uppercase())
    }
}
