//! Refuses to run by hand: hosts set an environment variable, people do not.

use super::Error;

const NAME: &str = "TF_PLUGIN_MAGIC_COOKIE";
const VALUE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";

/// Whether a host started this process. The cookie is no secret, only a sign.
pub(super) fn check() -> Result<(), Error> {
    if std::env::var_os(NAME).is_some_and(|value| value == VALUE) { Ok(()) } else { Err(Error::NotAHost) }
}
