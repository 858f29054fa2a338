//! A machine's HTTP client: GET with a range, and POST, one connection a request, over a link that may be slow, lossy or
//! dead. Hosts are literal addresses; firmware here has no resolver.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    ops::Range,
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt;
use http::{Method, Request, StatusCode, Uri, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpSocket, TcpStream},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    dice,
    fault::rules::Link,
    machine::{Machine, hardware},
    rack::Rack,
};

/// How often TCP sends a packet again before it gives up here, and when for the first time (RFC 6298 has 1 s, Linux 0.2 s).
const RETRANSMISSIONS: u32 = 6;
const RETRANSMISSION: Duration = Duration::from_millis(200);
/// The longest silence that is not taken for the other side's death.
const SILENCE: Duration = Duration::from_secs(30);

/// It did not come.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a URL this firmware can go to.
    #[error("\"{0}\" is not an http:// URL of a literal address")]
    Url(String),
    /// No link.
    #[error("the NIC has no link")]
    NoLink,
    /// The connection broke, or never was.
    #[error("the connection to {address} broke")]
    Lost {
        /// Of the other side.
        address: SocketAddr,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Nothing came for a while.
    #[error("{0} fell silent")]
    Silent(SocketAddr),
    /// Another answer than the wanted one.
    #[error("{url} answers {status}")]
    Status {
        /// Of what; without secrets.
        url: String,
        /// How.
        status: StatusCode,
    },
    /// More than is taken.
    #[error("{url} is longer than {most} bytes")]
    TooLong {
        /// Of what.
        url: String,
        /// What is taken at most.
        most: usize,
    },
}

/// A machine's NIC: where its packets go, and what becomes of them.
#[derive(Clone, Copy, Debug)]
pub struct Nic {
    /// Its own address, where the other side is on loopback too.
    source: IpAddr,
    link: Link,
    seed: u64,
}

/// A body that is coming in.
pub struct Answer {
    address: SocketAddr,
    link: Link,
    seed: u64,
    chunks: u64,
    body: axum::body::BodyDataStream,
    /// Headers.
    pub headers: http::HeaderMap,
    _connection: Connection,
}

/// The task that drives a connection; it ends with its answer.
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Nic {
    /// The boot NIC of a machine, as it is now.
    pub fn of(rack: &Rack, machine: &Machine) -> Self {
        let link = rack.faults.link(machine);
        let boots = u64::from(machine.state().boots);
        let seed = dice::throw(rack.spec.seed, &[u64::from(machine.index), boots, 0x6e69]);
        Self { source: hardware::nic_address(machine.index).into(), link, seed }
    }

    /// Of a machine's BMC: none of what befalls the NIC befalls it.
    pub fn of_bmc(rack: &Rack, machine: &Machine) -> Self {
        let seed = dice::throw(rack.spec.seed, &[u64::from(machine.index), 0x626d]);
        Self { source: hardware::bmc_address(machine.index).into(), link: Link::default(), seed }
    }

    /// A connection; from the machine's own address where that can be.
    ///
    /// # Errors
    /// There is none to be had.
    pub async fn connect(&self, address: SocketAddr) -> Result<TcpStream, Error> {
        if self.link.dead {
            return Err(Error::NoLink);
        }
        let lost = |source: io::Error| Error::Lost { address, source: source.into() };
        let socket =
            if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(lost)?;
        if address.ip().is_loopback() && address.is_ipv4() {
            socket.bind(SocketAddr::new(self.source, 0)).map_err(lost)?;
        }
        let stream = timeout(SILENCE, socket.connect(address)).await.map_err(|_| Error::Silent(address))?;
        let stream = stream.map_err(lost)?;
        stream.set_nodelay(true).map_err(lost)?;
        Ok(stream)
    }

    /// Begin to read `url`, all of it or a range.
    ///
    /// # Errors
    /// The link, the other side, or a status that is none of success.
    pub async fn get(&self, url: &str, range: Option<Range<u64>>) -> Result<Answer, Error> {
        self.request(Method::GET, url, range, Body::empty()).await
    }

    /// Read something small whole.
    ///
    /// # Errors
    /// As [`Nic::get`], or it is longer than `most`.
    pub async fn read(&self, url: &str, range: Option<Range<u64>>, most: usize) -> Result<Bytes, Error> {
        self.read_with_headers(url, range, most).await.map(|(bytes, _)| bytes)
    }

    /// The same, with what came before it.
    ///
    /// # Errors
    /// As [`Nic::get`], and [`Error::TooLong`].
    pub async fn read_with_headers(
        &self,
        url: &str,
        range: Option<Range<u64>>,
        most: usize,
    ) -> Result<(Bytes, http::HeaderMap), Error> {
        let mut answer = self.get(url, range).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if bytes.len() + chunk.len() > most {
                return Err(Error::TooLong { url: shown(url), most });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok((bytes.into(), answer.headers))
    }

    /// Read something and throw it away; how many bytes there were.
    ///
    /// # Errors
    /// As [`Nic::get`].
    pub async fn swallow(&self, url: &str, range: Option<Range<u64>>) -> Result<u64, Error> {
        let mut answer = self.get(url, range).await?;
        let mut length = 0;
        while let Some(chunk) = answer.chunk().await? {
            length += chunk.len() as u64;
        }
        Ok(length)
    }

    /// Send a form.
    ///
    /// # Errors
    /// As [`Nic::get`].
    pub async fn post_form(&self, url: &str, form: String) -> Result<(), Error> {
        self.request(Method::POST, url, None, Body::from(form)).await.map(drop)
    }

    async fn request(
        &self,
        method: Method,
        url: &str,
        range: Option<Range<u64>>,
        body: Body,
    ) -> Result<Answer, Error> {
        let (address, path) = locate(url).ok_or_else(|| Error::Url(shown(url)))?;
        let lost = |source: Box<dyn std::error::Error + Send + Sync>| Error::Lost { address, source };
        let stream = self.connect(address).await?;
        let asked = async {
            let (mut sender, connection) =
                http1::handshake(TokioIo::new(stream)).await.map_err(|error| lost(error.into()))?;
            let connection = Connection(tokio::spawn(async {
                // How it ended shows in the body.
                let _ = connection.await;
            }));
            let mut request =
                Request::builder().method(method.clone()).uri(path).header(header::HOST, address.to_string());
            if let Some(range) = &range {
                let last = range.end.saturating_sub(1);
                request = request.header(header::RANGE, format!("bytes={}-{last}", range.start));
            }
            if method == Method::POST {
                request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            }
            let request = request.body(body).map_err(|error| lost(error.into()))?;
            let answer = sender.send_request(request).await.map_err(|error| lost(error.into()))?;
            Ok((answer, connection))
        };
        let (answer, connection) = timeout(SILENCE, asked).await.map_err(|_| Error::Silent(address))??;
        let whole = range.is_none_or(|range| range.start == 0);
        let status = answer.status();
        if !status.is_success() || (status == StatusCode::OK && !whole) {
            return Err(Error::Status { url: shown(url), status });
        }
        let (head, incoming) = answer.into_parts();
        Ok(Answer {
            address,
            link: self.link,
            seed: self.seed,
            chunks: 0,
            body: Body::new(incoming).into_data_stream(),
            headers: head.headers,
            _connection: connection,
        })
    }
}

impl Answer {
    /// The next bytes, as fast as the link lets them through.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let address = self.address;
        let chunk = timeout(SILENCE, self.body.next()).await.map_err(|_| Error::Silent(address))?;
        let Some(chunk) = chunk else { return Ok(None) };
        let chunk = chunk.map_err(|source| Error::Lost { address, source: source.into() })?;
        self.chunks += 1;
        self.retransmit(chunk.len()).await?;
        if let Some(rate) = self.link.rate {
            let micros = (chunk.len() as u64).saturating_mul(1_000_000) / rate.max(1);
            tokio::time::sleep(Duration::from_micros(micros)).await;
        }
        Ok(Some(chunk))
    }
}

impl Answer {
    /// What TCP does about lost packets: it sends them again, each time later, and gives up at last.
    async fn retransmit(&mut self, length: usize) -> Result<(), Error> {
        let lost = |time: &u32| {
            let words = [self.chunks, length as u64, u64::from(self.address.port()), u64::from(*time)];
            dice::happens(self.link.loss, dice::throw(self.seed, &words))
        };
        let times = (0..RETRANSMISSIONS).take_while(lost).count();
        for time in 0..u32::try_from(times).unwrap_or(RETRANSMISSIONS) {
            tokio::time::sleep(RETRANSMISSION * (1 << time)).await;
        }
        if times == usize::try_from(RETRANSMISSIONS).unwrap_or(usize::MAX) {
            let source = io::Error::from(io::ErrorKind::TimedOut).into();
            return Err(Error::Lost { address: self.address, source });
        }
        Ok(())
    }
}

/// Address and path of an `http://` URL.
pub(crate) fn locate(url: &str) -> Option<(SocketAddr, String)> {
    let uri: Uri = url.parse().ok()?;
    if uri.scheme_str() != Some("http") {
        return None;
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Some((literal(&uri, 80)?, path.to_owned()))
}

/// The literal address of a URL, and its port.
pub(crate) fn literal(uri: &Uri, default: u16) -> Option<SocketAddr> {
    let host = uri.host()?;
    // A port that is too large reads as none.
    let port = if uri.authority()?.as_str().len() == host.len() { default } else { uri.port_u16()? };
    Some(SocketAddr::new(host.trim_start_matches('[').trim_end_matches(']').parse().ok()?, port))
}

/// A URL without its last part, which may be a one-time secret.
fn shown(url: &str) -> String {
    let cut = url.rfind('/').unwrap_or(url.len());
    format!("{}/..", url.get(..cut).unwrap_or_default().chars().take(200).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_literal_addresses_over_http_are_gone_to() {
        let (address, path) = locate("http://127.0.0.1:7480/boot.ipxe").unwrap();
        assert_eq!((address.to_string().as_str(), path.as_str()), ("127.0.0.1:7480", "/boot.ipxe"));
        assert_eq!(locate("http://[::1]/a?b").unwrap().0.to_string(), "[::1]:80");
        for url in [
            "https://127.0.0.1/",
            "http://boot.example/",
            "ftp://127.0.0.1/",
            "",
            "/x",
            "http://127.0.0.1:99999/",
        ] {
            assert!(locate(url).is_none(), "{url}");
        }
    }

    #[test]
    fn what_is_shown_of_a_url_has_no_secret_in_it() {
        assert_eq!(shown("http://127.0.0.1/v1/phone-home/s3cret"), "http://127.0.0.1/v1/phone-home/..");
    }
}
