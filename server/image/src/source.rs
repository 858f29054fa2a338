//! Where an image may come from: a URL, a file under an allowed root, or bytes somebody sends.
//!
//! A URL is http or https and carries no login; `file:` and every other scheme is refused here, so that no text a
//! tenant writes can name a file of the server. Files come only through a [`LocalRoot`].

use std::{fmt, path::Path, str::FromStr, sync::Arc};

use tokio::io::AsyncRead;

use crate::local::{self, LocalFile, LocalRoot};

/// One source of one import.
pub enum Source {
    /// To be fetched.
    Url(Url),
    /// To be read.
    File(LocalFile),
    /// To be received; an error of the reader ends the import.
    Upload(Box<dyn AsyncRead + Send + Unpin>),
}

/// Why a text names no source.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a URL that is fetched.
    #[error(transparent)]
    Url(#[from] BadUrl),
    /// A file, where none may be read.
    #[error("the server allows no local images")]
    NoLocalFiles,
    /// A file that may not, or cannot, be read.
    #[error(transparent)]
    File(#[from] local::Error),
}

impl Source {
    /// The source that `text` names: an http or https URL, or `file:///PATH` where PATH is beneath `local`. Without a
    /// `local`, no file is.
    pub fn named(text: &str, local: Option<&LocalRoot>) -> Result<Self, Error> {
        let Some(path) = text.strip_prefix("file://") else {
            return Ok(Source::Url(text.parse()?));
        };
        let root = local.ok_or(Error::NoLocalFiles)?;
        Ok(Source::File(root.file(Path::new(path))?))
    }
}

/// An http or https URL without a login.
#[derive(Clone, PartialEq, Eq)]
pub struct Url(Arc<reqwest::Url>);

/// The text is not a URL an image may come from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// No URL at all.
    #[error("it is not a URL")]
    Malformed,
    /// Another scheme.
    #[error("its scheme is {0}, only http and https are fetched")]
    Scheme(String),
    /// A user name or password, which would end up in states and logs.
    #[error("it carries a login")]
    Login,
}

impl Url {
    pub(crate) fn get(&self) -> &reqwest::Url {
        &self.0
    }
}

impl FromStr for Url {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        let url: reqwest::Url = text.parse().map_err(|_| BadUrl::Malformed)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BadUrl::Scheme(url.scheme().chars().take(20).collect()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadUrl::Login);
        }
        Ok(Self(url.into()))
    }
}

/// Without the query, which may hold a signature.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = reqwest::Url::clone(&self.0);
        shown.set_query(None);
        shown.set_fragment(None);
        fmt::Display::fmt(&shown, f)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_and_https_without_a_login_pass() {
        assert!("http://a.example/i.raw".parse::<Url>().is_ok());
        assert!("https://a.example/i.raw?x=1".parse::<Url>().is_ok());
        for scheme in
            ["file:///etc/shadow", "ftp://a.example/i", "data:,x", "gopher://a.example/", "FILE:///x"]
        {
            assert!(matches!(scheme.parse::<Url>(), Err(BadUrl::Scheme(_))), "{scheme}");
        }
        for login in ["http://me@a.example/", "https://me:secret@a.example/", "http://:secret@a.example/"] {
            assert_eq!(login.parse::<Url>(), Err(BadUrl::Login), "{login}");
        }
        assert_eq!("/var/lib/image.raw".parse::<Url>(), Err(BadUrl::Malformed));
    }

    #[test]
    fn a_file_is_a_source_only_beneath_an_allowed_directory() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("disk.raw"), b"disk").unwrap();
        let root = LocalRoot::open(dir.path()).unwrap();
        let text = format!("file://{}/disk.raw", dir.path().display());
        assert!(matches!(Source::named(&text, Some(&root)), Ok(Source::File(_))));
        assert!(matches!(Source::named(&text, None), Err(Error::NoLocalFiles)));
        let outside = Source::named("file:///etc/hostname", Some(&root));
        assert!(matches!(outside, Err(Error::File(local::Error::Outside { .. }))));
        assert!(matches!(Source::named("FILE:///etc/hostname", Some(&root)), Err(Error::Url(_))));
    }

    #[test]
    fn a_signature_in_the_query_is_never_printed() {
        let url: Url = "https://a.example/i.raw?signature=canary#canary".parse().unwrap();
        assert_eq!(url.to_string(), "https://a.example/i.raw");
        assert_eq!(format!("{url:?}"), "Url(https://a.example/i.raw)");
    }
}
