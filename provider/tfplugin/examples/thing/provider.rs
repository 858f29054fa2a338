//! The provider and its configuration.

use std::path::PathBuf;

use tfplugin::{Attr, Catalog, Diagnostic, Diagnostics, Provider, Schema, Setup, async_trait};

use crate::{lookup, shout, store::Store, thing, token};

/// Keeps things in files.
///
/// A provider to learn from and to test with.
#[derive(Debug, Clone, Schema)]
pub struct Config {
    /// The directory that holds the things. Also `THING_DIRECTORY`.
    #[tf(optional)]
    directory: Attr<String>,
}

/// The provider.
pub struct Things;

#[async_trait]
impl Provider for Things {
    type Config = Config;
    type Data = Store;

    fn type_name(&self) -> &'static str {
        "thing"
    }

    fn register(&self, catalog: &mut Catalog<Store>) {
        catalog
            .resource(thing::Thing)
            .data_source(lookup::Lookup)
            .ephemeral(token::Token)
            .function(shout::Shout);
    }

    async fn configure(&self, _setup: &mut Setup, config: Config) -> Result<Store, Diagnostics> {
        let directory = match config.directory {
            Attr::Value(directory) => Some(PathBuf::from(directory)),
            Attr::Null => std::env::var_os("THING_DIRECTORY").map(PathBuf::from),
            // Known at apply; until then nothing is looked up.
            Attr::Unknown => return Ok(Store::unknown()),
        };
        let directory = directory.ok_or_else(|| {
            Diagnostic::error("No directory", "Set `directory`, or THING_DIRECTORY in the environment.")
                .at("directory")
        })?;
        Ok(Store::in_directory(directory))
    }
}
