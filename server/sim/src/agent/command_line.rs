//! The kernel command line: `underlay.url`, `underlay.api`, `underlay.ca`, `underlay.mode`, `underlay.token`,
//! `underlay.mac`. The last value of a word counts. No error shows a value, since one of them is the token.

use std::net::SocketAddr;

use http::Uri;
use underlay_core::{Mac, SecretString, image::Sha256};

/// What the boot script asked for.
#[derive(Debug)]
pub struct Settings {
    /// The boot endpoint, without a slash at the end.
    pub url: String,
    /// The agent service.
    pub api: SocketAddr,
    /// What the CA certificate hashes to.
    pub ca: Sha256,
    /// What to do.
    pub mode: Mode,
    /// The NIC the machine booted over.
    pub mac: Option<Mac>,
}

/// What the agent is here for.
#[derive(Debug)]
pub enum Mode {
    /// Redeem the token and take orders.
    Deploy {
        /// One-time token.
        token: SecretString,
    },
    /// Report the inventory.
    Discover,
}

/// A word that is missing or bad.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has no good {0}=")]
pub struct Error(&'static str);

impl Settings {
    /// Reads a command line.
    ///
    /// # Errors
    /// A word is missing or bad.
    pub fn parse(line: &str) -> Result<Self, Error> {
        let word = |name: &'static str| {
            line.split_ascii_whitespace().rev().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        };
        let need = |name| word(name).filter(|value| !value.is_empty()).ok_or(Error(name));
        let mode = match word("underlay.mode").unwrap_or("deploy") {
            "deploy" => Mode::Deploy { token: need("underlay.token")?.to_owned().into() },
            "discover" => Mode::Discover,
            _ => return Err(Error("underlay.mode")),
        };
        let url = need("underlay.url")?.trim_end_matches('/').to_owned();
        crate::boot::http::locate(&url).ok_or(Error("underlay.url"))?;
        let mac = word("underlay.mac").map(str::parse).transpose().map_err(|_| Error("underlay.mac"))?;
        Ok(Self {
            url,
            api: api(need("underlay.api")?).ok_or(Error("underlay.api"))?,
            ca: need("underlay.ca")?.parse().map_err(|_| Error("underlay.ca"))?,
            mode,
            mac,
        })
    }
}

fn api(text: &str) -> Option<SocketAddr> {
    let uri: Uri = text.parse().ok()?;
    if uri.scheme_str() != Some("https") {
        return None;
    }
    crate::boot::http::literal(&uri, 443)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "quiet underlay.url=http://127.0.0.1:7480 underlay.api=https://127.0.0.1:7443 underlay.ca=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 underlay.mac=02:00:00:00:00:01 underlay.mode=deploy underlay.token=canary";

    #[test]
    fn a_line_is_read_and_its_token_is_not_shown() {
        let settings = Settings::parse(GOOD).unwrap();
        assert_eq!((settings.api.port(), settings.url.as_str()), (7443, "http://127.0.0.1:7480"));
        assert!(!format!("{settings:?}").contains("canary"));
        let discover = Settings::parse(&format!("{GOOD} underlay.mode=discover")).unwrap();
        assert!(matches!(discover.mode, Mode::Discover));
    }

    #[test]
    fn a_bad_word_is_named_without_its_value() {
        for (word, name) in [
            ("underlay.url=https://127.0.0.1", "underlay.url"),
            ("underlay.api=http://127.0.0.1", "underlay.api"),
            ("underlay.ca=zz", "underlay.ca"),
            ("underlay.mac=zz", "underlay.mac"),
            ("underlay.mode=dance", "underlay.mode"),
            ("underlay.token=", "underlay.token"),
        ] {
            assert_eq!(Settings::parse(&format!("{GOOD} {word}")).unwrap_err(), Error(name));
        }
        assert!(Settings::parse("").is_err());
    }
}
