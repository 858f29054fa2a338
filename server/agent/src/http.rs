//! Reading from the boot endpoint: HTTP/1.1 GET with a byte range (RFC 9110 section 14), one connection a request.
//!
//! Plain HTTP on purpose: nothing that comes this way is believed before its hash was checked by the caller. Answers
//! are bounded in time; nothing is buffered here beyond one read.

use std::{
    future::poll_fn,
    ops::Range,
    pin::Pin,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, StatusCode, header};
use hyper::{
    body::{Body as _, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};

use crate::{
    cmdline::Url,
    source::{Body, Error, Source},
};

/// The longest silence on a connection that is not taken for its death.
const SILENCE: Duration = Duration::from_secs(30);
/// The connection's read buffer; with the socket's own it is all that lies between the server and the disk.
const READ_BUFFER: usize = 256 << 10;

/// The boot endpoint.
#[derive(Clone, Debug)]
pub struct Endpoint(pub Url);

impl Endpoint {
    /// Reads something small whole, and the server's clock where it says the time.
    pub async fn get(&self, path: &str, most: usize) -> Result<(Vec<u8>, Option<SystemTime>), Error> {
        let mut answer = self.request(path, None).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if bytes.len() + chunk.len() > most {
                return Err(Error::TooLong { path: path.into(), most });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok((bytes, answer.date))
    }

    async fn request(&self, path: &str, range: Option<Range<u64>>) -> Result<Answer, Error> {
        let lost =
            |source: Box<dyn std::error::Error + Send + Sync>| Error::Lost { path: path.into(), source };
        let work: BoxFuture<'_, Result<Answer, Error>> = Box::pin(async {
            let stream = TcpStream::connect(self.0.address).await.map_err(|e| lost(e.into()))?;
            let (mut sender, connection) = http1::Builder::new()
                .max_buf_size(READ_BUFFER)
                .handshake(TokioIo::new(stream))
                .await
                .map_err(|e| lost(e.into()))?;
            let connection = Connection(tokio::spawn(async {
                // How it ended shows in the body.
                let _ = connection.await;
            }));
            let mut request = Request::get(format!("{}{path}", self.0.prefix))
                .header(header::HOST, self.0.address.to_string());
            if let Some(range) = &range {
                let last = range.end.saturating_sub(1);
                request = request.header(header::RANGE, format!("bytes={}-{last}", range.start));
            }
            let request = request.body(NoBody).map_err(|e| lost(e.into()))?;
            let answer = sender.send_request(request).await.map_err(|e| lost(e.into()))?;
            let whole = range.as_ref().is_none_or(|range| range.start == 0);
            match answer.status() {
                StatusCode::PARTIAL_CONTENT if range.is_some() => {}
                StatusCode::OK if whole => {}
                status => return Err(Error::Status { path: path.into(), status: status.as_u16() }),
            }
            let text =
                |name| answer.headers().get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
            if answer.status() == StatusCode::PARTIAL_CONTENT {
                let start = text(header::CONTENT_RANGE)
                    .and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
                if start != range.map(|range| range.start) {
                    return Err(Error::Range { path: path.into() });
                }
            }
            let date = text(header::DATE).and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
            let date = date.map(|date| SystemTime::from(date.timestamp()));
            Ok(Answer { path: path.into(), incoming: answer.into_body(), date, _connection: connection })
        });
        timeout(SILENCE, work).await.map_err(|_| Error::Silent { path: path.into() })?
    }
}

#[async_trait]
impl Source for Endpoint {
    async fn open(&self, path: &str, range: Range<u64>) -> Result<Box<dyn Body>, Error> {
        Ok(Box::new(self.request(path, Some(range)).await?))
    }
}

/// The task that drives a connection; it ends with its answer.
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Answer {
    path: String,
    incoming: Incoming,
    date: Option<SystemTime>,
    _connection: Connection,
}

#[async_trait]
impl Body for Answer {
    async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let frame = timeout(SILENCE, poll_fn(|context| Pin::new(&mut self.incoming).poll_frame(context)));
            match frame.await.map_err(|_| Error::Silent { path: self.path.clone() })? {
                None => return Ok(None),
                Some(Err(source)) => {
                    return Err(Error::Lost { path: self.path.clone(), source: source.into() });
                }
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

/// A request without a body.
struct NoBody;

impl hyper::body::Body for NoBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}
