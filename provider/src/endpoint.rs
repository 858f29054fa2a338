//! Where the server is: `https://HOST[:PORT]`, `http://LOOPBACK[:PORT]`, or `unix:///PATH`.
//!
//! Plain HTTP is refused for anything but loopback: the token would travel in the clear.

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr};

use http::Uri;

/// Where the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// TLS to a host name or address.
    Tls {
        /// Host name or address, without brackets; the certificate must be for it.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// Plain HTTP/2 to this machine.
    Loopback {
        /// `localhost` or a loopback address, without brackets.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// A unix socket.
    Unix(PathBuf),
}

/// The text names no server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Another form.
    #[error("{0:?} is not an endpoint; write https://HOST:PORT, http://127.0.0.1:PORT or unix:///PATH")]
    Form(String),
    /// Plain HTTP to another machine.
    #[error(
        "{0:?} is plain HTTP to another machine, which would show the token to the network; write https://"
    )]
    Plain(String),
}

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let form = || Error::Form(text.to_owned());
        if let Some(path) = text.strip_prefix("unix://") {
            let path = PathBuf::from(path);
            return if path.is_absolute() { Ok(Self::Unix(path)) } else { Err(form()) };
        }
        let uri: Uri = text.parse().map_err(|_| form())?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let host = authority.ok_or_else(form)?.host().trim_matches(['[', ']']).to_owned();
        if host.is_empty() || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(form());
        }
        match uri.scheme_str() {
            Some("https") => Ok(Self::Tls { host, port: uri.port_u16().unwrap_or(443) }),
            Some("http") if is_loopback(&host) => {
                Ok(Self::Loopback { host, port: uri.port_u16().unwrap_or(80) })
            }
            Some("http") => Err(Error::Plain(text.to_owned())),
            _ => Err(form()),
        }
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bracketed = |host: &str| if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        match self {
            Self::Tls { host, port } => write!(f, "https://{}:{port}", bracketed(host)),
            Self::Loopback { host, port } => write!(f, "http://{}:{port}", bracketed(host)),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_reads_back_as_it_was_written() {
        for text in [
            "https://underlay.example:7443",
            "https://[2001:db8::1]:7443",
            "http://127.0.0.1:80",
            "http://localhost:8080",
            "http://[::1]:8080",
            "unix:///run/underlay.sock",
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn plain_http_to_another_machine_is_refused() {
        for text in ["http://underlay.example:80", "http://10.0.0.1", "http://localhost.example"] {
            assert_eq!(text.parse::<Endpoint>(), Err(Error::Plain(text.to_owned())));
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in
            ["", "underlay:7443", "unix://relative", "ftp://x", "https://u:p@x", "https://x/path", "https://"]
        {
            assert!(matches!(text.parse::<Endpoint>(), Err(Error::Form(_))), "{text}");
        }
    }
}
