//! What the image of a stick is told of a server: where it is, and the digest of its CA certificate, by which the agent
//! knows it.

use std::{
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use sha2::{Digest, Sha256};

const PATIENCE: Duration = Duration::from_secs(10);
/// Of an answer; a certificate has less than a kilobyte.
const LONGEST: u64 = 64 << 10;

/// A server that machines report to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    boot: SocketAddr,
    api: SocketAddr,
}

impl Server {
    /// The one whose boot endpoint and API are there. Addresses are literal: the agent has no resolver.
    ///
    /// # Errors
    /// In words, what is wrong with one of them.
    pub fn new(url: &str, api: Option<&str>) -> Result<Self, String> {
        let boot = address(url, "http://", 7480)
            .ok_or("--url: write it as http://ADDRESS:PORT with an IP address; the agent has no resolver")?;
        let api = match api {
            Some(api) => address(api, "https://", 7443).ok_or("--api: write it as https://ADDRESS:PORT")?,
            None => SocketAddr::new(boot.ip(), 7443),
        };
        Ok(Self { boot, api })
    }

    /// The words of the kernel's line for a machine of which nothing is known.
    pub fn line(&self, ca: &str) -> String {
        let Self { boot, api } = self;
        format!(
            "underlay.url=http://{boot} underlay.api=https://{api} underlay.ca={ca} underlay.mode=discover"
        )
    }

    /// Its CA certificate, as its boot endpoint gives it to anybody. Whoever is on the way may give another.
    ///
    /// # Errors
    /// It does not answer, or not with one.
    pub fn fetch_certificate(&self) -> anyhow::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&self.boot, PATIENCE).context("connecting")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let request = format!("GET /ca.der HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.boot);
        stream.write_all(request.as_bytes()).context("asking")?;
        let mut answer = Vec::new();
        stream.take(LONGEST).read_to_end(&mut answer).context("reading its answer")?;
        body(&answer)
    }
}

/// The body of an answer that says how long it is.
fn body(answer: &[u8]) -> anyhow::Result<Vec<u8>> {
    let at = answer.windows(4).position(|window| window == b"\r\n\r\n").context("it answers nonsense")?;
    let (head, body) = answer.split_at(at);
    let head = String::from_utf8_lossy(head).to_lowercase();
    let status = head.lines().next().unwrap_or_default();
    ensure!(status.split(' ').nth(1) == Some("200"), "it answers {status}");
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let Some(body) = length.and_then(|length| body.get(4..length.checked_add(4)?)) else {
        bail!("its answer is cut short")
    };
    // A certificate is a SEQUENCE of more than 255 bytes (X.690 section 8.9).
    ensure!(body.starts_with(&[0x30, 0x82]), "what it answers is no certificate");
    Ok(body.to_vec())
}

/// The certificate in a PEM file.
///
/// # Errors
/// There is none in it.
pub fn read_certificate(path: &Path) -> anyhow::Result<Vec<u8>> {
    let certificate =
        CertificateDer::from_pem_file(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(certificate.to_vec())
}

/// SHA-256 of a certificate, in hex.
pub fn digest(certificate: &[u8]) -> String {
    format!("{:x}", Sha256::digest(certificate))
}

fn address(url: &str, scheme: &str, port: u16) -> Option<SocketAddr> {
    let authority = url.strip_prefix(scheme)?.trim_end_matches('/');
    authority.parse().ok().or_else(|| {
        let host = authority.trim_start_matches('[').trim_end_matches(']');
        Some(SocketAddr::new(host.parse::<IpAddr>().ok()?, port))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_stick_names_the_server_and_no_machine() {
        let server = Server::new("http://10.0.0.5:7480/", None).unwrap();
        let line = "underlay.url=http://10.0.0.5:7480 underlay.api=https://10.0.0.5:7443 underlay.ca=ab underlay.mode=discover";
        assert_eq!(server.line("ab"), line);
        let six = Server::new("http://[fd00::1]", Some("https://10.0.0.6:1")).unwrap();
        assert!(
            six.line("ab").starts_with("underlay.url=http://[fd00::1]:7480 underlay.api=https://10.0.0.6:1 ")
        );
        for (url, api) in
            [("https://10.0.0.5", None), ("http://boot.example", None), ("http://10.0.0.5", Some("x"))]
        {
            assert!(Server::new(url, api).is_err(), "{url} {api:?}");
        }
    }

    #[test]
    fn only_a_whole_certificate_is_taken_from_an_answer() {
        let good = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\x30\x82abc";
        assert_eq!(body(good).unwrap(), b"\x30\x82abc");
        for bad in [
            &b""[..],
            b"\r\n\r\n",
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n\x30\x82",
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\x30\x82abc",
            b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n\x30\x82abc",
            b"HTTP/1.1 200 OK\r\n\r\n\x30\x82abc",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        ] {
            assert!(body(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
