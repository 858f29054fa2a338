//! The command line's side of a rack's socket.

use std::{path::Path, time::Duration};

use axum::body::Body;
use http::{Method, Request, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

/// The longest answer: a hundred thousand machines take less.
const LONGEST: usize = 64 << 20;
const LIMIT: Duration = Duration::from_secs(30);

/// The rack does not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no rack.
    #[error(
        "no rack runs at {socket}; start one with underlay sim or underlay dev, or name its directory with --dir"
    )]
    Connect {
        /// Where it was looked for.
        socket: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The line broke.
    #[error("the rack does not answer")]
    Ask(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It says no.
    #[error("{0}")]
    Refused(String),
}

/// Ask the rack at `socket`.
///
/// # Errors
/// See [`Error`].
pub async fn call(socket: &Path, method: Method, path: &str, body: Option<Value>) -> Result<Value, Error> {
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|source| Error::Connect { socket: socket.display().to_string(), source })?;
    let asked = async {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "rack")
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))?;
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = axum::body::to_bytes(Body::new(answer.into_body()), LONGEST).await?;
        driver.abort();
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((status, body))
    };
    let late = || Error::Ask("it took too long".into());
    let (status, body) = tokio::time::timeout(LIMIT, asked).await.map_err(|_| late())?.map_err(Error::Ask)?;
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    if status.is_success() {
        return Ok(body);
    }
    let why = body.get("error").and_then(Value::as_str).map_or_else(|| status.to_string(), str::to_owned);
    Err(Error::Refused(why))
}
